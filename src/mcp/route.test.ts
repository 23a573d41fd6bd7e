import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { testConnection, testPeer, untilAborted } from '../../test/support/mcp-directory.ts'
import {
  BaseError,
  type CodedError,
  fromUtf8,
  hasCode,
  Registry,
  seededRandom,
  silentLog,
  utf8,
} from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { mcpConfig } from './config.ts'
import { McpError } from './errors.ts'
import { mcpMetrics } from './metrics.ts'
import type { Settled, Settles } from './outcomes.ts'
import type { LargeResult } from './result-reader.ts'
import { Router } from './router.ts'
import { Scores } from './scores.ts'
import type { SessionCall, SessionCallOptions } from './session.ts'
import type { ToolEntry, ToolResult } from './tool.ts'

type Answer = (options: SessionCallOptions, peer: PeerId) => Promise<ToolResult>
const done: ToolResult = { content: [{ type: 'text', text: 'done' }] }
const ok: Answer = async () => done
const hangs: Answer = ({ signal }) => untilAborted(signal)
const breaks: Answer = async (_, peer) => {
  throw McpError.PEER_FAILED({ peer, tool: 'echo', sent: true, reason: 'reset' })
}

const HEAD = { bytes: 2, sha256: 'ab'.repeat(32) }

const SELF = testPeer(100)
const PEERS = [testPeer(1), testPeer(2), testPeer(3)]

interface Setup {
  readonly settled?: Settled
  readonly idempotent?: boolean
  readonly loads?: readonly number[]
  /** Tokens that the node holds. */
  readonly held?: readonly string[]
}

/** A router before peers 0, 1, 2…, one for each answer; `settled` is what a silent one says. */
function setup(
  answers: readonly Answer[],
  { settled, idempotent = false, loads = [], held = [] }: Setup = {},
) {
  const clock = new FakeClock()
  const scores = new Scores(clock)
  const calls: [peer: number, key: string | undefined][] = []
  const asked: { key: string; withinMs: number }[] = []
  const carried: number[] = []
  const entries = answers.map((_, i): ToolEntry => {
    const peer = PEERS[i] as PeerId
    scores.succeeded(peer, 10 * (i + 1))
    const load = loads[i]
    const entry = { tool: 'echo', service: 's', peer, description: '', idempotent }
    return { ...entry, ...(load !== undefined && { load }) }
  })
  const found = { entries, services: [], asked: 3, failed: [], cached: false }
  const deps = {
    directory: { lookup: async () => found, find: async () => found, forget: () => undefined },
    sessions: {
      callTool(peer: PeerId, { key }: SessionCall, options: SessionCallOptions = {}) {
        calls.push([PEERS.indexOf(peer), key])
        return (answers[PEERS.indexOf(peer)] ?? assert.fail())(options, peer)
      },
    },
    outcomes: {
      async settle(_: PeerId, { key, withinMs, onlarge }: Parameters<Settles['settle']>[1]) {
        asked.push({ key, withinMs })
        const parts = (async function* () {})()
        if (settled?.kind === 'ran') await onlarge?.({ ...HEAD, peer: SELF, parts })
        return settled ?? assert.fail('nobody is asked')
      },
    },
    relayed: {
      async call(peer: PeerId) {
        carried.push(PEERS.indexOf(peer))
        return done
      },
    },
    local: { callTool: () => assert.fail('not here') },
    host: { self: SELF, connections: () => [testConnection(PEERS[0] as PeerId)] },
    scores,
    grantsFor: () => held,
    clock,
    random: seededRandom('route'),
    log: silentLog,
    metrics: mcpMetrics(new Registry()),
  }
  return { router: new Router(deps, mcpConfig.parse({})), clock, calls, asked, carried }
}

test('a tool that must not run twice is called with a key, the same for each peer', async () => {
  const { router, calls, asked } = setup([breaks, ok], { settled: { kind: 'never' } })
  const { attempts } = await router.call('echo', {})
  const [[, first], [, second]] = calls as [[number, string], [number, string]]
  assert.match(first, /^[A-Za-z0-9_-]{22}$/)
  assert.equal(first, second)
  assert.deepEqual(asked, [{ key: first, withinMs: 30_000 }])
  assert.deepEqual(
    attempts.map(({ code }) => code),
    ['MCP_PEER_FAILED', 'MCP_CALL_NEVER_RAN', 'ok'],
  )
})

test('what a silent peer kept is the answer, and nobody else is asked', async () => {
  const kept: Settled = { kind: 'ran', result: done }
  const { router, calls } = setup([breaks, ok], { settled: kept })
  const given: LargeResult[] = []
  const { content, peer } = await router.call(
    'echo',
    {},
    { onlarge: (one) => void given.push(one) },
  )
  assert.deepEqual(content, done.content)
  assert.equal(peer, PEERS[0])
  assert.equal(given.length, 1, 'which takes what was kept because it is long')
  assert.equal(calls.length, 1)
})

test('where nobody knows, the outcome is unknown once, and nobody else is asked', async () => {
  const settled: Settled = { kind: 'unknown', code: 'MCP_CALL_LOST' }
  const { router, calls } = setup([breaks, ok], { settled })
  await assert.rejects(router.call('echo', {}), (error: CodedError) => {
    assert.equal(error.code, 'MCP_OUTCOME_UNKNOWN')
    assert.equal((error.facts as { attempts: unknown[] }).attempts.length, 1)
    return true
  })
  assert.equal(calls.length, 1)
})

test('an idempotent tool has no key but the caller’s own, and no question is asked', async () => {
  const none = setup([breaks, ok], { idempotent: true })
  await none.router.call('echo', {})
  assert.deepEqual(none.calls, [
    [0, undefined],
    [1, undefined],
  ])
  const own = setup([breaks, ok], { idempotent: true })
  await own.router.call('echo', {}, { key: 'my-own-key-of-this-call' })
  assert.deepEqual(
    own.calls.map(([, key]) => key),
    Array(2).fill('my-own-key-of-this-call'),
  )
  const refused = own.router.call('echo', {}, { key: 'short' })
  await assert.rejects(refused, coded('MCP_REQUEST_INVALID'))
})

test('a hedged call asks a second peer, and is no failure of the one that was slow', async () => {
  const { router, clock, calls } = setup([hangs, ok], { idempotent: true })
  const call = router.call('echo', {}, { hedge: 100, explain: true })
  await clock.advance(100)
  const { peer, explain } = await call
  assert.equal(peer, PEERS[1])
  assert.equal(calls.length, 2)
  assert.equal(clock.waiting, 0)
  assert.deepEqual(
    explain?.considered.map((offer) => [offer.peer, offer.connected, offer.failures]),
    [
      [PEERS[0], true, 0],
      [PEERS[1], false, 0],
    ],
  )
  const [winner] = explain.tried
  assert.deepEqual([winner?.atMs, winner?.code], [100, 'ok'])
})

test('an explanation shows what was measured, told and shown of each, and what was missing', async () => {
  const refuses: Answer = async () => {
    const facts = { peer: SELF, tool: 'echo', code: 'ACCESS_GRANT_MISSING', message: 'no grant' }
    throw McpError.PEER_REFUSED(facts)
  }
  const { router } = setup([refuses, ok], { loads: [30], held: ['token'] })
  const [first, second] = PEERS
  const { explain } = await router.call('echo', {}, { explain: true, grants: ['own'] })
  const [a, b] = explain?.considered ?? []
  assert.deepEqual([a?.peer, a?.latencyMs, a?.success, a?.load], [first, 10, 1, 30])
  assert.deepEqual(
    [a?.missing, a?.behind, a?.grants, a?.inWork],
    ['ACCESS_GRANT_MISSING', null, 2, 0],
  )
  assert.deepEqual([b?.peer, b?.success, b?.load], [second, 1, null])
  assert.deepEqual([b?.missing, b?.behind], [null, 'connected'])

  const alone = setup([refuses])
  const failed = alone.router.call('echo', {}, { explain: true })
  const error = await failed.catch((cause: unknown) => cause)
  assert.ok(hasCode(error, 'MCP_GRANT_REFUSED'))
  const { explain: why, code } = error.facts as { explain: typeof explain; code: string }
  assert.deepEqual([why?.considered[0]?.missing, code], Array(2).fill('ACCESS_GRANT_MISSING'))
})

test('a call is never hedged where the tool must run once', async () => {
  const { router, clock, calls } = setup([hangs, ok], { settled: { kind: 'unknown', code: 'X' } })
  const call = assert.rejects(router.call('echo', {}, { hedge: 1 }), coded('MCP_OUTCOME_UNKNOWN'))
  await clock.advance(30_000)
  await call
  assert.equal(calls.length, 1)
})

test('a call that is not explained says nothing of it', async () => {
  const { router } = setup([ok])
  assert.equal((await router.call('echo', {})).explain, undefined)
  const { explain } = await router.call('echo', {}, { explain: true })
  assert.equal(explain?.considered.length, 1, 'a single offer is named as well')
})

interface Streamed {
  /** When its answer comes, and how long its parts take then. */
  readonly afterMs?: number
  readonly lastsMs?: number
  /** Turns of the microtask queue before it is handed on. */
  readonly turns?: number
  readonly breaks?: boolean
}

/** Peers that answer with a result in parts, or with one in memory, and what came of a call. */
async function streamed(
  answers: readonly (Streamed | 'in memory' | 'in memory, with the first')[],
  options: { hedge?: number } = {},
) {
  const firstIsDone = Promise.withResolvers<void>()
  const time: { clock?: FakeClock } = {}
  const wait = (ms: number, signal?: AbortSignal) => time.clock?.sleep(ms, signal)
  const large = ({ afterMs = 0, lastsMs = 0, turns = 0, breaks: isBroken }: Streamed): Answer => {
    return async ({ signal, onlarge, takenUntil = signal }, peer) => {
      await wait(afterMs, signal)
      firstIsDone.resolve()
      for (let i = 0; i < turns; i += 1) await Promise.resolve()
      const parts = (async function* () {
        yield utf8(`${PEERS.indexOf(peer)}`)
        await wait(lastsMs, takenUntil)?.catch(() => {
          throw McpError.RESULT_TIMEOUT({ peer, tool: 'echo', size: 2, read: 1 })
        })
        if (isBroken)
          throw McpError.RESULT_LOST({ peer, tool: 'echo', size: 2, read: 1, reason: '' })
        yield utf8('.')
      })()
      await onlarge?.({ ...HEAD, peer, parts })
      return done
    }
  }
  const inMemory: Answer = async ({ signal }) => {
    await wait(200, signal)
    return done
  }
  const withTheFirst: Answer = async () => {
    await firstIsDone.promise
    return done
  }
  const made = setup(
    answers.map((one) => {
      if (typeof one !== 'string') return large(one)
      return one === 'in memory' ? inMemory : withTheFirst
    }),
    { idempotent: true },
  )
  time.clock = made.clock
  let got = ''
  const onlarge = async ({ parts }: LargeResult) => {
    for await (const part of parts) got += fromUtf8(part)
  }
  const call = made.router.call('echo', {}, { ...options, onlarge })
  const outcome = call.then(
    ({ peer }) => PEERS.indexOf(peer),
    (error: unknown) => (error as CodedError).code,
  )
  for (let i = 0; i < 310; i += 1) await made.clock.advance(100)
  return { got, outcome: await outcome, asked: made.calls.map(([peer]) => peer) }
}

test('a result that is handed on has the time of the call, and nobody else is asked', async () => {
  const slow = { lastsMs: 25_000 }
  const one = { got: '0.', outcome: 0, asked: [0] }
  assert.deepEqual(await streamed([slow, 'in memory']), one)
  assert.deepEqual(await streamed([slow, 'in memory'], { hedge: 100 }), one)
})

test('who was asked as well is not heard once a result is handed on', async () => {
  const both = { got: '0.', outcome: 0, asked: [0, 1] }
  const first = { afterMs: 200, lastsMs: 5_000 }
  for (const second of ['in memory', { afterMs: 200, lastsMs: 100 }] as const) {
    assert.deepEqual(await streamed([first, second], { hedge: 100 }), both)
  }
})

test('a result that breaks off after it was handed on is the end of the call', async () => {
  const broken = { lastsMs: 1_000, breaks: true }
  const one = { got: '0', outcome: 'MCP_RESULT_LOST', asked: [0] }
  assert.deepEqual(await streamed([broken, 'in memory']), one)
  assert.deepEqual(await streamed([broken, 'in memory'], { hedge: 500 }), one)
  const late = { got: '0', outcome: 'MCP_RESULT_TIMEOUT', asked: [0] }
  assert.deepEqual(await streamed([{ lastsMs: 60_000 }, 'in memory']), late)
})

test('two that answer in the same moment never give one result of two halves', async () => {
  const outcomes = new Set<unknown>()
  for (let turns = 0; turns < 60; turns += 1) {
    const first = { afterMs: 300, turns, lastsMs: 1_000 }
    const answers = [first, 'in memory, with the first'] as const
    const { got, outcome } = await streamed(answers, { hedge: 100 })
    assert.equal(got, outcome === 0 ? '0.' : '', `${turns} turns`)
    outcomes.add(outcome)
  }
  assert.deepEqual(outcomes, new Set([0, 1]), 'either may be the first')
})

test('a tool that must not run twice ran, where only its result did not come in time', async () => {
  const late: Answer = async (_, peer) => {
    const facts = { peer, tool: 'echo', size: 9, read: 4 }
    throw McpError.RESULT_TIMEOUT(facts, BaseError.DEADLINE({ afterMs: 1 }))
  }
  const { router, calls, carried } = setup([late, ok])
  await assert.rejects(router.call('echo', {}), coded('MCP_RESULT_TIMEOUT'))
  assert.equal(calls.length, 1)
  assert.deepEqual(carried, [], 'nor is it carried to the peer that answered')
  const again = setup([late, ok], { idempotent: true })
  assert.equal((await again.router.call('echo', {})).peer, PEERS[1])
})
