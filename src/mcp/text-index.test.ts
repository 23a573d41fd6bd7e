import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { testPeer, testTool } from '../../test/support/mcp-directory.ts'
import type { PeerId } from '../identity/index.ts'
import { describe } from './descriptor.ts'
import { TEXT_INDEX_LIMITS, TextIndex } from './text-index.ts'

const [BOB, EVE] = [testPeer(2), testPeer(3)]
const HOUR = 3_600

function setup(limits = {}) {
  const clock = new FakeClock()
  const index = new TextIndex(clock, { ...TEXT_INDEX_LIMITS, ...limits })
  const put = (peer: PeerId, service: string, ...names: readonly string[]) => {
    const tools = names.map((name) => testTool(name, { description: `Is able to ${name}` }))
    const expires = Math.floor(clock.now() / 1_000) + HOUR
    index.put(describe({ service, peer, version: '1', endpoints: [], tools, expires }))
  }
  const found = (text: string) => {
    return index.search(text).map(({ descriptor, tool }) => `${descriptor.service}/${tool.name}`)
  }
  return { clock, index, put, found }
}

test('a description counts as what it is indexed as, which may be many times as long', () => {
  const { index } = setup()
  const head = { service: 'calc', peer: BOB, version: '1', endpoints: [] }
  // U+FDFA is one character, and eighteen when it is normalised (UAX #15).
  index.put(describe({ ...head, tools: [testTool('a', { description: '\ufdfa'.repeat(100) })] }))
  const { chars } = index
  index.put(describe({ ...head, tools: [testTool('a', { description: 'x'.repeat(100) })] }))
  assert.equal(chars - index.chars, 1_700)
})

test('tools are found by words of their names, descriptions, services and tags', () => {
  const { index, put, found } = setup()
  put(BOB, 'weather', 'getForecast', 'get-station')
  put(EVE, 'calc', 'add')
  const tags = ['geo']
  const head = { service: 'maps', peer: EVE, version: '1', endpoints: [], tags }
  index.put(describe({ ...head, tools: [testTool('route')] }))
  assert.deepEqual(found('forecast'), ['weather/getForecast'])
  assert.deepEqual(found('fore'), ['weather/getForecast'])
  assert.deepEqual(found('forecasting'), ['weather/getForecast'])
  assert.deepEqual(found('weather').sort(), ['weather/get-station', 'weather/getForecast'])
  assert.deepEqual(found('geo'), ['maps/route'])
  assert.deepEqual(found('nothing of it'), [])
  assert.deepEqual(found('weather nonsense'), [], 'all words, or it is not found')
})

test('the words of a query are words, not the language of the index', () => {
  const { put, found } = setup()
  put(BOB, 'calc', 'add', 'near')
  for (const text of [
    '"',
    'a" OR "b',
    'name:add',
    '*',
    '(',
    'NEAR(add',
    "'; DROP TABLE tools;",
    '',
  ]) {
    found(text)
  }
  assert.deepEqual(found('add'), ['calc/add'])
})

test('what a peer says anew takes the place of what it said, and none takes it away', () => {
  const { index, put, found } = setup()
  put(BOB, 'calc', 'add')
  put(BOB, 'calc', 'subtract')
  assert.deepEqual([found('add'), found('subtract')], [[], ['calc/subtract']])
  put(BOB, 'calc')
  assert.deepEqual([found('subtract'), index.size, index.chars], [[], 0, 0])
})

test('what has expired is not found', async () => {
  const { clock, index, put, found } = setup()
  put(BOB, 'calc', 'add')
  await clock.advance((HOUR + 301) * 1_000)
  assert.deepEqual([found('add'), index.all()], [[], []])
})

test('one peer drives out its own services, not those of others', () => {
  const { put, found, index } = setup({ servicesPerPeerMax: 3 })
  put(EVE, 'calc', 'add')
  for (let i = 0; i < 10; i += 1) put(BOB, `s${i}`, `tool${i}`)
  assert.equal(index.size, 4)
  assert.deepEqual([found('add'), found('tool0'), found('tool9')], [['calc/add'], [], ['s9/tool9']])
})

test('when all is full, the oldest make room', () => {
  const { put, found, index } = setup({ servicesMax: 4 })
  for (let i = 0; i < 6; i += 1) put(testPeer(i + 1), 'calc', `tool${i}`)
  assert.deepEqual([index.size, found('tool1'), found('tool2')], [4, [], ['calc/tool2']])
})

test('whatever is put in, its limits hold, and what is there is found', () => {
  const limits = { servicesMax: 5, servicesPerPeerMax: 2, charsMax: 6_000, charsPerPeerMax: 3_000 }
  const step = fc.record({ peer: fc.nat(3), service: fc.nat(3), tools: fc.nat(8) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const { index, put, found } = setup(limits)
      for (const { peer, service, tools } of steps) {
        const names = Array.from({ length: tools }, (_, i) => `word${i}`)
        put(testPeer(peer + 1), `s${service}`, ...names)
        assert.ok(index.size <= 5 && index.chars <= 6_000)
      }
      const all = index.all()
      const perPeer = Map.groupBy(all, ({ peer }) => peer)
      assert.ok([...perPeer.values()].every((own) => own.length <= 2))
      assert.equal(found('word0').length, all.filter(({ toolCount }) => toolCount > 0).length)
      index.close()
      assert.deepEqual([index.size, index.chars, found('word0')], [0, 0, []])
    }),
    { numRuns: 50 },
  )
})

test('what was withdrawn does not come back with what was said before, and does when offered anew', async () => {
  const { clock, index, put, found } = setup()
  const head = { service: 'calc', peer: BOB, version: '1', endpoints: [] }
  const told = (expires: number, ...names: readonly string[]) => {
    index.put(describe({ ...head, tools: names.map((name) => testTool(name)), expires }))
  }
  const [now, later] = [clock.now() / 1_000 + HOUR, clock.now() / 1_000 + HOUR + 60]
  told(now, 'add')
  told(now)
  assert.deepEqual(found('add'), [])
  // A record of a slow holder, and an index, which does not say until when it counts.
  told(now, 'add')
  told(0, 'add')
  assert.deepEqual([found('add'), index.size], [[], 0])
  told(later, 'add')
  assert.deepEqual(found('add'), ['calc/add'])
  told(later)
  await clock.advance(600_001)
  told(0, 'add')
  assert.deepEqual(found('add'), ['calc/add'])
  put(EVE, 'calc', 'sum')
  assert.deepEqual(found('sum'), ['calc/sum'])
})
