import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { testConnection, testPeer, untilAborted } from '../../test/support/mcp-directory.ts'
import {
  CodedError,
  correlationId,
  hasCode,
  Registry,
  seededRandom,
  silentLog,
  withCorrelation,
} from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { mcpConfig } from './config.ts'
import { McpError } from './errors.ts'
import { mcpMetrics } from './metrics.ts'
import { Router } from './router.ts'
import { Scores } from './scores.ts'
import type { Found } from './search.ts'
import type { SessionCallOptions } from './session.ts'
import type { Attempt, ToolEntry, ToolResult } from './tool.ts'

type Answer = (options: SessionCallOptions, peer: PeerId) => Promise<ToolResult>
const done: ToolResult = { content: [{ type: 'text', text: 'done' }] }
const ok: Answer = async () => done
const hangs: Answer = ({ signal }) => untilAborted(signal)
const breaks: Answer = async (_, peer) => {
  throw McpError.PEER_FAILED({ peer, tool: 'echo', sent: true, reason: 'reset' })
}
const unreachable: Answer = async (_, peer) => {
  throw McpError.PEER_FAILED({ peer, tool: 'echo', sent: false, reason: 'no way' })
}
const refuses: Answer = async (_, peer) => {
  throw McpError.PEER_REFUSED({ peer, tool: 'echo', code: 'ACCESS_QUOTA', message: 'too much' })
}
const badArguments: Answer = async () => {
  throw McpError.TOOL_ERROR({ tool: 'echo', rpcCode: -32_602, message: 'no' })
}

const SELF = testPeer(100)
const PEERS = [testPeer(1), testPeer(2), testPeer(3), testPeer(4)]

interface Setup {
  readonly idempotent?: boolean
  /** What the directory remembers, by the number of the peer; all the peers unless given. */
  readonly remembered?: readonly number[]
  /** The service of each peer. */
  readonly services?: readonly string[]
  /** What our own services answer; they have the tool only if this is given. */
  readonly own?: Answer
}

/** A router before peers 0, 1, 2…, one for each answer; ranked in that order. */
function setup(answers: readonly Answer[], options: Setup = {}) {
  const { idempotent = true, remembered, services = [], own } = options
  const clock = new FakeClock()
  const scores = new Scores(clock)
  const tried: (number | 'self')[] = []
  const called: string[] = []
  const asked: string[] = []
  const offer = (peer: PeerId, service: string): ToolEntry => {
    return { tool: 'echo', service, peer, description: '', idempotent }
  }
  const all = answers.map((_, i) => offer(PEERS[i] as PeerId, services[i] ?? 'echoes'))
  for (const [i, { peer }] of all.entries()) scores.succeeded(peer, i + 1)
  const ours = own === undefined ? [] : [offer(SELF, 'echoes')]
  const found = (entries: readonly ToolEntry[], cached: boolean): Found => {
    const failed = [{ peer: testPeer(9), code: 'BASE_DEADLINE' }]
    return { entries: [...ours, ...entries], services: [], asked: 3, failed, cached }
  }
  const router = new Router(
    {
      directory: {
        async lookup({ service }) {
          asked.push('lookup')
          const known = remembered?.map((i) => all[i] as ToolEntry) ?? all
          const wanted = known.filter((each) => (service ?? each.service) === each.service)
          return found(wanted, remembered !== undefined)
        },
        async find() {
          asked.push('find')
          return found(all, false)
        },
        forget: () => asked.push('forget'),
      },
      sessions: {
        async callTool(peer, { service, tool, args }, given = {}) {
          tried.push(PEERS.indexOf(peer))
          called.push(`${service}/${tool} ${JSON.stringify(args)}`)
          return (answers[PEERS.indexOf(peer)] ?? assert.fail())(given, peer)
        },
      },
      local: {
        async callTool(_service, _tool, _args, given = {}) {
          tried.push('self')
          return (own ?? assert.fail())(given, SELF)
        },
      },
      host: { self: SELF, connections: () => [testConnection(PEERS[0] as PeerId)] },
      scores,
      clock,
      random: seededRandom('router'),
      log: silentLog,
      metrics: mcpMetrics(new Registry()),
    },
    mcpConfig.parse({ attemptsMax: 2 }),
  )
  return { router, clock, tried, called, asked, scores }
}

function codes(attempts: readonly Attempt[]): string[] {
  return attempts.map(({ code }) => code)
}

function attemptsOf(error: unknown): readonly Attempt[] {
  assert.ok(error instanceof CodedError)
  return (error.facts as { attempts: readonly Attempt[] }).attempts
}

/** Lets time pass until `call` rejects, and returns what it rejects with. */
async function failure(call: Promise<unknown>, clock: FakeClock, ms = 0): Promise<unknown> {
  const caught = call.then(
    () => assert.fail('it resolved'),
    (error: unknown) => error,
  )
  await clock.advance(ms)
  const error = await caught
  assert.equal(clock.waiting, 0, 'no deadline is left behind')
  return error
}

test('call() hands on how much of its time is left', async () => {
  const left: (number | undefined)[] = []
  const slow: Answer = async ({ timeoutMs }, peer) => {
    left.push(timeoutMs)
    await clock.sleep(4_000)
    return unreachable({}, peer)
  }
  const { router, clock } = setup([slow, slow])
  const call = router.call('echo', {}, { timeoutMs: 60_000 }).catch(() => {})
  await clock.advance(8_000)
  await call
  assert.deepEqual(left, [10_000, 56_000], 'one attempt of several has its own limit')
})

test('call() gives the answer with who gave it and how', async () => {
  const { router, called, clock } = setup([ok])
  const result = await router.call('echo', { a: 1 })
  assert.deepEqual(result, {
    ...done,
    peer: PEERS[0],
    attempts: [{ peer: PEERS[0], path: 'tcp', ms: 0, code: 'ok' }],
  })
  assert.deepEqual(called, ['echoes/echo {"a":1}'])
  assert.equal(clock.waiting, 0)
})

for (const [what, answer] of Object.entries({ hangs, breaks, unreachable, refuses })) {
  test(`call() moves on from a peer that ${what} when the tool is idempotent`, async () => {
    const { router, clock, tried } = setup([answer, ok])
    const result = router.call('echo', {})
    await clock.advance(10_000)
    assert.equal((await result).peer, PEERS[1])
    assert.deepEqual(tried, [0, 1])
  })
}

for (const [what, answer] of Object.entries({ unreachable, refuses })) {
  test(`call() moves on from a peer that ${what} whatever the tool`, async () => {
    const { router, tried } = setup([answer, ok], { idempotent: false })
    assert.equal((await router.call('echo', {})).peer, PEERS[1])
    assert.deepEqual(tried, [0, 1])
  })
}

for (const [what, answer] of Object.entries({ hangs, breaks })) {
  test(`call() does not repeat a tool that is not idempotent once its peer ${what}`, async () => {
    const { router, clock, tried } = setup([answer, ok], { idempotent: false, remembered: [0, 1] })
    const error = await failure(router.call('echo', {}), clock, 30_000)
    assert.ok(hasCode(error, 'MCP_OUTCOME_UNKNOWN'))
    assert.equal(attemptsOf(error)[0]?.peer, PEERS[0])
    assert.deepEqual(tried, [0])
  })
}

test('call() gives a tool that must not run twice the whole time', async () => {
  const { router, clock } = setup(
    [
      async () => {
        await clock.sleep(25_000)
        return done
      },
      ok,
    ],
    { idempotent: false },
  )
  const result = router.call('echo', {})
  await clock.advance(25_000)
  assert.equal((await result).peer, PEERS[0])
})

test('call() gives the last peer the whole time', async () => {
  const { router, clock } = setup([
    hangs,
    async () => {
      await clock.sleep(15_000)
      return done
    },
  ])
  const result = router.call('echo', {})
  await clock.advance(25_000)
  assert.equal((await result).peer, PEERS[1])
})

test('call() ends at its deadline and says what was tried', async () => {
  const { router, clock, tried } = setup([hangs, hangs])
  const error = await failure(router.call('echo', {}), clock, 30_000)
  assert.ok(hasCode(error, 'MCP_DEADLINE'))
  assert.deepEqual(codes(attemptsOf(error)), ['BASE_DEADLINE', 'BASE_DEADLINE'])
  assert.deepEqual(tried, [0, 1])
})

test('call() takes the time that its caller gives', async () => {
  const { router, clock } = setup([hangs])
  const error = await failure(router.call('echo', {}, { timeoutMs: 500 }), clock, 500)
  assert.ok(hasCode(error, 'MCP_DEADLINE'))
})

test('call() stops when its caller gives up, and blames nobody', async () => {
  const { router, tried, scores, clock } = setup([hangs, ok])
  const caller = new AbortController()
  const result = router.call('echo', {}, { signal: caller.signal })
  setImmediate(() => caller.abort(new RangeError('never mind')))
  await assert.rejects(result, /never mind/)
  assert.deepEqual(tried, [0])
  assert.equal(scores.get(PEERS[0] as PeerId)?.failures, 0)
  assert.equal(clock.waiting, 0)
})

test('call() stops at an answer that would be the same everywhere', async () => {
  const { router, tried, scores } = setup([badArguments, ok])
  await assert.rejects(router.call('echo', {}), coded('MCP_TOOL_ERROR'))
  assert.deepEqual(tried, [0])
  assert.equal(scores.get(PEERS[0] as PeerId)?.failures, 0)
})

test('call() passes on that the tool itself failed', async () => {
  const { router, tried } = setup([async () => ({ ...done, isError: true }), ok])
  assert.equal((await router.call('echo', {})).isError, true)
  assert.deepEqual(tried, [0])
})

test('call() gives up after attemptsMax peers, and the next call starts with another', async () => {
  const { router, tried } = setup([unreachable, unreachable, ok])
  await assert.rejects(router.call('echo', {}), (error) => {
    assert.ok(hasCode(error, 'MCP_TOOL_UNAVAILABLE') && error.cause instanceof AggregateError)
    assert.equal(error.cause.errors.length, 2)
    return attemptsOf(error).length === 2
  })
  await router.call('echo', {})
  assert.deepEqual(tried, [0, 1, 2])
})

test('call() tries a peer once, however often it lists the tool', async () => {
  const { router, tried } = setup([refuses, ok], { remembered: [0, 0, 0, 1] })
  await router.call('echo', {})
  assert.deepEqual(tried, [0, 1])
})

test('call() runs under the id of the request that it is of, or under one of its own', async () => {
  const seen: (string | undefined)[] = []
  const notes: Answer = async () => {
    seen.push(correlationId())
    return done
  }
  const { router } = setup([notes])
  await withCorrelation('job-7', () => router.call('echo', {}))
  await Promise.all([router.call('echo', {}), router.call('echo', {})])
  assert.equal(seen[0], 'job-7')
  for (const id of seen.slice(1)) assert.match(String(id), /^[0-9a-f]{32}$/)
  assert.equal(new Set(seen).size, 3)
  assert.equal(router.calls, 3)
})

test('call() asks the network anew when all whom it remembered failed', async () => {
  const { router, tried, asked } = setup([unreachable, ok], { remembered: [0] })
  const result = await router.call('echo', {})
  assert.equal(result.peer, PEERS[1])
  assert.deepEqual(codes(result.attempts), ['MCP_PEER_FAILED', 'ok'])
  assert.deepEqual(tried, [0, 1], 'nobody is tried twice')
  assert.deepEqual(asked, ['lookup', 'forget', 'find'])
})

test('call() does not ask the network twice for what it just found', async () => {
  const { router, asked } = setup([unreachable])
  await assert.rejects(router.call('echo', {}), coded('MCP_TOOL_UNAVAILABLE'))
  assert.deepEqual(asked, ['lookup', 'forget'])
})

test('call() says how many answered and who did not when nobody offers the tool', async () => {
  const { router } = setup([])
  await assert.rejects(router.call('echo', {}), (error) => {
    assert.ok(hasCode(error, 'MCP_TOOL_NOT_FOUND'))
    const silent = [{ peer: testPeer(9), code: 'BASE_DEADLINE' }]
    assert.deepEqual(error.facts, { tool: 'echo', service: null, asked: 3, silent })
    return error.message.includes('3 answered, 1 did not')
  })
})

test('call() does not guess between services', async () => {
  const { router, tried } = setup([ok, ok], { services: ['mine', 'another'] })
  await assert.rejects(router.call('echo', {}), (error) => {
    assert.ok(hasCode(error, 'MCP_TOOL_AMBIGUOUS'))
    assert.deepEqual(error.facts, { tool: 'echo', services: ['another', 'mine'] })
    return true
  })
  assert.equal((await router.call('echo', {}, { service: 'another' })).peer, PEERS[1])
  assert.deepEqual(tried, [1])
})

test('call() takes our own service first, and then only its namesakes', async () => {
  const ambiguous = { services: ['another', 'echoes'], own: ok }
  const first = setup([ok, ok], ambiguous)
  const result = await first.router.call('echo', {})
  assert.deepEqual([result.peer, result.attempts[0]?.path], [SELF, 'local'])
  assert.deepEqual(first.tried, ['self'])

  const second = setup([ok, ok], { ...ambiguous, own: unreachable })
  assert.equal((await second.router.call('echo', {})).peer, PEERS[1])
  assert.deepEqual(second.tried, ['self', 1])
})

test('call() asks the peer that is named, and nobody else', async () => {
  const one = setup([ok, ok], { services: ['a', 'b'] })
  assert.equal((await one.router.call('echo', {}, { peer: PEERS[1] as PeerId })).peer, PEERS[1])
  assert.deepEqual(one.tried, [1])

  const two = setup([ok, unreachable])
  const call = two.router.call('echo', {}, { peer: PEERS[1] as PeerId })
  await assert.rejects(call, coded('MCP_TOOL_UNAVAILABLE'))
  assert.deepEqual(two.tried, [1])
})

test('call() asks a named service of a named peer without looking for it', async () => {
  const { router, called, asked, clock } = setup([hangs])
  const target = { peer: PEERS[0] as PeerId, service: 'other' }
  const error = await failure(router.call('echo', {}, target), clock, 30_000)
  assert.ok(hasCode(error, 'MCP_OUTCOME_UNKNOWN'), 'nothing says that the tool is idempotent')
  assert.deepEqual(called, ['other/echo {}'])
  assert.deepEqual(asked, ['forget'])
})
