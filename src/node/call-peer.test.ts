import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { hasCode, seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { callAt, serviceAt } from './call-peer.ts'

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

/** A call of a tool that peers announce after `announcedMs`, and what the router was asked. */
function calling(announcedMs: number, options: { timeoutMs?: number; service?: string }) {
  const clock = new FakeClock()
  const startMs = clock.now()
  const asked: unknown[] = []
  const entry = { service: 'calc', tool: 'add', peer, description: '', idempotent: false }
  const directory = {
    find: async () => {
      const entries = clock.now() - startMs < announcedMs ? [] : [entry]
      return { entries, services: [], asked: 1, failed: [], cached: false }
    },
  }
  const router = {
    call: async (...call: unknown[]) => {
      asked.push(call)
      return { content: [], peer, attempts: [] }
    },
  }
  const config = { lookupTimeoutMs: 5_000, requestTimeoutMs: 30_000 }
  const deps = { directory, router, clock, config }
  return { call: callAt({ peer, tool: 'add', args: { a: 1 } }, deps, options), clock, asked }
}

test('the time of a call counts from its beginning, the search for the service included', async () => {
  const found = calling(400, { timeoutMs: 1_000 })
  await found.clock.advance(400)
  await found.call
  const at = { service: 'calc', peer, timeoutMs: 600 }
  assert.deepEqual(found.asked, [['add', { a: 1 }, at]])

  const never = calling(60_000, { timeoutMs: 500 })
  const failed = assert.rejects(never.call, (error) => hasCode(error, 'MCP_DEADLINE'))
  await never.clock.advance(500)
  await failed
  assert.deepEqual(never.asked, [])
})

test('a call that names its service looks for none', async () => {
  const { call, asked } = calling(60_000, { service: 'calc' })
  await call
  assert.deepEqual(asked, [['add', { a: 1 }, { service: 'calc', peer, timeoutMs: 30_000 }]])
})
