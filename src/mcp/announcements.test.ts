import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { testPeer, testTool, untilAborted } from '../../test/support/mcp-directory.ts'
import { fromUtf8, silentLog, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { ANNOUNCEMENTS, Announcements, type AnnouncementTopic } from './announcements.ts'
import { describe, encodeDescriptor } from './descriptor.ts'
import { TextIndex } from './text-index.ts'

const [SELF, BOB, EVE] = [testPeer(1), testPeer(2), testPeer(3)]

function setup(publish: AnnouncementTopic['publish'] = async () => undefined) {
  const clock = new FakeClock()
  const told: string[] = []
  let hear: (from: PeerId, bytes: Uint8Array) => void = () => undefined
  const topic: AnnouncementTopic = {
    publish: async (bytes, options) => {
      await publish(bytes, options)
      told.push(fromUtf8(bytes))
    },
    listen: async (heard, { signal }) => {
      hear = heard
      await untilAborted(signal).catch(() => undefined)
    },
  }
  const index = new TextIndex(clock)
  const deps = { topic, index, self: SELF, clock, log: silentLog }
  const announcements = new Announcements(deps)
  const said = (peer: PeerId, lifeS = 3_600, ...tools: readonly string[]) => {
    const expires = Math.floor(clock.now() / 1_000) + lifeS
    const head = { service: 'calc', peer, version: '1', endpoints: [], expires }
    return encodeDescriptor(describe({ ...head, tools: tools.map((name) => testTool(name)) }))
  }
  const found = (text: string) => index.search(text).length
  return {
    announcements,
    clock,
    told,
    said,
    found,
    hear: (...args: Parameters<typeof hear>) => hear(...args),
  }
}

test('what a peer says of itself is kept, and taken away when it says so', async () => {
  const { announcements, said, hear, found } = setup()
  await announcements.start()
  hear(BOB, said(BOB, 3_600, 'add'))
  assert.equal(found('add'), 1)
  hear(BOB, said(BOB, 600))
  assert.equal(found('add'), 0)
  await announcements.stop()
})

test('what is said of others, of no end, of one past or too far, or is none, is not kept', async () => {
  const { announcements, said, hear, found } = setup()
  await announcements.start()
  hear(EVE, said(BOB, 3_600, 'add'))
  hear(SELF, said(SELF, 3_600, 'add'))
  hear(BOB, said(BOB, 26 * 3_600, 'add'))
  hear(BOB, said(BOB, -400, 'add'))
  hear(BOB, utf8('{}'))
  const head = { service: 'calc', peer: BOB, version: '1', endpoints: [] }
  hear(BOB, encodeDescriptor(describe({ ...head, tools: [testTool('add')] })))
  assert.equal(found('add'), 0)
  await announcements.stop()
})

test('announcements are told at a pace, and only the last of a service', async () => {
  const { announcements, clock, told } = setup()
  await announcements.start()
  for (const [service, text] of [
    ['a', 'a1'],
    ['b', 'b1'],
    ['b', 'b2'],
    ['c', 'c1'],
  ] as const) {
    announcements.announce(service, utf8(text))
  }
  await clock.advance(0)
  assert.deepEqual(told, ['a1'])
  await clock.advance(1_000)
  assert.deepEqual(told, ['a1', 'b2', 'c1'])
  await announcements.stop()
  assert.equal(clock.waiting, 0)
})

test('stop() tells what is left without waiting for anybody, also what was on its way', async () => {
  const { announcements, clock, told } = setup((_, { signal, waitForPeersMs }) => {
    return waitForPeersMs === 0 ? Promise.resolve() : untilAborted(signal)
  })
  await announcements.start()
  announcements.announce('a', utf8('a'))
  announcements.announce('b', utf8('b'))
  await clock.advance(1_000)
  assert.deepEqual(told, [])
  await Promise.all([announcements.stop(), clock.advance(1_000)])
  assert.deepEqual(told.toSorted(), ['a', 'b'])
})

test('a topic that fails harms nobody', async () => {
  const { announcements, clock } = setup(() => Promise.reject(new RangeError('no topic')))
  await announcements.start()
  announcements.announce('a', utf8('a'))
  await clock.advance(1_000)
  await announcements.stop()
  assert.equal(clock.waiting, 0)
})

test('the rules of the topic let a peer speak for itself only', () => {
  const { said } = setup()
  const bytes = said(BOB, 3_600, 'add')
  assert.deepEqual(
    [BOB, EVE].map((by) => ANNOUNCEMENTS.isAuthor(bytes, by)),
    [true, false],
  )
})

test('the rules of the topic refuse what is no descriptor', () => {
  assert.throws(() => ANNOUNCEMENTS.check('text'))
  assert.throws(() => ANNOUNCEMENTS.check(utf8('{}')))
})
