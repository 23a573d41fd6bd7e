import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { serviceAt } from './call-peer.ts'

const peer = generateKeys(seededRandom('peer')).signer.peer
const other = generateKeys(seededRandom('other')).signer.peer

type Entry = readonly [service: string, tool: string, peer?: string]

/** Each search finds the next of `rounds`, and the last one from then on. */
function search(rounds: readonly (readonly Entry[])[]) {
  const clock = new FakeClock()
  let searches = 0
  const directory = {
    find: async () => {
      const found = rounds[Math.min(searches, rounds.length - 1)] ?? []
      searches += 1
      const entries = found.map(([service, tool, at = peer]) => ({
        service,
        tool,
        peer: at as typeof peer,
        description: '',
        idempotent: false,
      }))
      return { entries, services: [], asked: 1, failed: [], cached: false }
    },
  }
  const deps = { directory, clock, config: { lookupTimeoutMs: 5_000 } }
  const given = new AbortController()
  const service = serviceAt({ peer, tool: 'add' }, deps, given.signal)
  return { service, clock, given, searches: () => searches }
}

test('the service of that peer is found, whoever else has the tool', async () => {
  assert.equal(
    await search([
      [
        ['calc', 'add'],
        ['fake', 'add', other],
      ],
    ]).service,
    'calc',
  )
})

test('a peer that has announced nothing yet is looked for again', async () => {
  const { service, clock, searches } = search([[], [], [['calc', 'add']]])
  await clock.advance(400)
  assert.equal(await service, 'calc')
  assert.equal(searches(), 3)
})

test('one that announces other tools only is given a second, one that says nothing all the time', async () => {
  const without = search([[['calc', 'mul']]])
  await without.clock.advance(1_000)
  assert.equal(await without.service, undefined)
  const silent = search([[]])
  await silent.clock.advance(4_800)
  assert.ok(silent.searches() > 20)
  await silent.clock.advance(200)
  assert.equal(await silent.service, undefined)
})

test('several services with the tool are none: the router says so', async () => {
  assert.equal(
    await search([
      [
        ['calc', 'add'],
        ['more', 'add'],
      ],
    ]).service,
    undefined,
  )
})

test('whoever gives up is told so', async () => {
  const { service, clock, given } = search([[]])
  const failed = assert.rejects(service, /enough/)
  await clock.advance(100)
  given.abort(new RangeError('enough'))
  await failed
})
