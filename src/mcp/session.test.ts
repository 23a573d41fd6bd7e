import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import {
  ALICE,
  BOB,
  channelPair,
  duo,
  fixtureSpec,
  scratch,
} from '../../test/support/mcp-fixture.ts'
import {
  type CodedError,
  correlationId,
  Registry,
  silentLog,
  withCorrelation,
} from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Channel } from '../net/index.ts'
import { mcpConfig } from './config.ts'
import { mcpMetrics } from './metrics.ts'
import { encodeMessage, parseFrame } from './protocol.ts'
import { Sessions } from './session.ts'
import { judge } from './verdict.ts'

type Sent = { id?: number; method: string; params?: { _meta?: Record<string, unknown> } }
type Ping = (peer: PeerId, options?: { signal?: AbortSignal }) => Promise<number>
type Reply = (message: Sent) => object | undefined

const DISCOVERED = {
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  resultType: 'complete',
  ttlMs: 0,
  cacheScope: 'private',
}
const CONTENT = { content: [{ type: 'text', text: 'ok' }], resultType: 'complete' }
const CALL = { service: 'calc', tool: 'add', args: { a: 1 } }

/** Sessions with a peer that answers as `reply` says; what is `undefined` it keeps to itself. */
async function setup(reply: Reply, config = {}, ping: Ping = async () => 1) {
  const clock = new FakeClock()
  const sent: Sent[] = []
  const channels: Channel[] = []
  const serve = async (channel: Channel) => {
    for (let frame = await channel.read(); frame !== undefined; frame = await channel.read()) {
      const message = parseFrame(frame) as unknown as Sent
      sent.push(message)
      const answer = message.method === 'server/discover' ? { result: DISCOVERED } : reply(message)
      if (answer === undefined || message.id === undefined) continue
      await channel.write(encodeMessage({ jsonrpc: '2.0', id: message.id, ...answer }))
    }
    await channel.close()
  }
  const host = {
    open: async () => {
      const [near, far] = channelPair(ALICE, BOB)
      channels.push(far)
      serve(far).catch(() => {})
      return near
    },
    ping,
  }
  const metrics = mcpMetrics(new Registry())
  const deps = { host, clock, log: silentLog, metrics, network: 'test' }
  const sessions = new Sessions(deps, mcpConfig.parse(config))
  await sessions.start()
  return { sessions, clock, sent, channels }
}

function failed(sent: boolean) {
  return (error: unknown) => {
    assert.ok(coded('MCP_PEER_FAILED')(error), String(error))
    assert.equal((error as CodedError<string, { sent: boolean }>).facts.sent, sent)
    return true
  }
}

test('callTool() selects the service once and keeps its stream', async () => {
  const { sessions, sent, channels } = await setup(() => ({ result: CONTENT }))
  assert.deepEqual(await sessions.callTool(BOB, CALL), { content: CONTENT.content })
  await sessions.callTool(BOB, CALL)
  assert.equal(channels.length, 1)
  const selected = sent.map(({ params }) => params?._meta?.['p2p-foundation/service'])
  assert.deepEqual(selected, ['calc', undefined, undefined])
  await sessions.callTool(BOB, { ...CALL, service: 'other' })
  assert.equal(channels.length, 2)
  await sessions.stop()
})

test('callTool() hands the correlation id on', async () => {
  const { sessions, sent } = await setup(() => ({ result: CONTENT }))
  await withCorrelation('abc', () => sessions.callTool(BOB, CALL))
  assert.equal(sent.at(-1)?.params?._meta?.['p2p-foundation/correlation'], 'abc')
  await sessions.stop()
})

test('callTool() tells an error of the tool from a refusal of the peer', async () => {
  const data = { code: 'ACCESS_QUOTA', message: 'not\u202e now', retryable: true }
  const errors = [
    { code: -32602, message: 'bad\u0007 args' },
    { code: -32000, message: 'x', data },
  ]
  const { sessions } = await setup(() => ({ error: errors.shift() }))
  const failure = await sessions.callTool(BOB, CALL).catch((error: unknown) => error)
  assert.ok(coded('MCP_TOOL_ERROR')(failure))
  assert.deepEqual((failure as CodedError).facts, {
    tool: 'add',
    rpcCode: -32602,
    message: 'bad args',
  })
  const refusal = await sessions.callTool(BOB, CALL).catch((error: unknown) => error)
  assert.ok(coded('MCP_PEER_REFUSED')(refusal))
  const facts = { peer: BOB, tool: 'add', code: 'ACCESS_QUOTA', message: 'not now' }
  assert.deepEqual((refusal as CodedError).facts, facts)
  await sessions.stop()
})

test('a peer that falls silent fails the call as sent, and its stream is not used again', async () => {
  const { sessions, clock, sent, channels } = await setup(() => undefined)
  const call = assert.rejects(sessions.callTool(BOB, CALL), failed(true))
  await clock.advance(30_000)
  await call
  assert.equal(sent.at(-1)?.method, 'notifications/cancelled')
  const again = sessions.callTool(BOB, CALL).catch(() => {})
  await clock.advance(30_000)
  await again
  assert.equal(channels.length, 2)
  await sessions.stop()
})

test('a peer that does not answer a ping either fails its calls at once, and its stream', async () => {
  const pings: PeerId[] = []
  const dead: Ping = (peer, { signal } = {}) => {
    pings.push(peer)
    return new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }
  const { sessions, clock, channels } = await setup(() => undefined, {}, dead)
  const calls = [CALL, { ...CALL, service: 'other' }, CALL].map((call) =>
    assert.rejects(sessions.callTool(BOB, call), failed(true)),
  )
  await clock.advance(1_499)
  assert.deepEqual(pings, [])
  await clock.advance(3_501)
  await Promise.all(calls)
  assert.deepEqual(pings, [BOB], 'one ping for all of them')
  const again = assert.rejects(sessions.callTool(BOB, CALL), /did not answer a ping within 3000 ms/)
  await clock.advance(5_000)
  await again
  assert.equal(channels.length, 3, 'on a stream of its own')
  await sessions.stop()
})

test('a peer that is slow and alive is left alone', async () => {
  let pings = 0
  const alive: Ping = async () => {
    pings += 1
    return 1
  }
  const { sessions, clock, sent } = await setup(() => undefined, {}, alive)
  const call = sessions.callTool(BOB, CALL)
  call.catch(() => {})
  await clock.advance(29_000)
  assert.equal(await Promise.race([call, settled('waits')]), 'waits')
  assert.ok(pings > 5 && pings <= 20, `${pings} pings`)
  assert.notEqual(sent.at(-1)?.method, 'notifications/cancelled')
  await sessions.stop()
})

test('a peer that speaks no ping is taken for alive', async () => {
  const { sessions, clock } = await setup(
    () => undefined,
    {},
    async () => {
      throw new TypeError('unsupported')
    },
  )
  const call = sessions.callTool(BOB, CALL)
  call.catch(() => {})
  await clock.advance(20_000)
  assert.equal(await Promise.race([call, settled('waits')]), 'waits')
  await sessions.stop()
})

test('a session is in the context of none of its callers', async () => {
  const seen: (string | undefined)[] = []
  const progress = { method: 'notifications/progress', params: { progress: 1 } }
  const { sessions, channels } = await setup(({ id, params }) => {
    seen.push(correlationId())
    const told = { ...progress.params, progressToken: params?._meta?.progressToken }
    const frame = encodeMessage({ jsonrpc: '2.0', method: progress.method, params: told })
    void channels[0]?.write(frame)
    return id === undefined ? undefined : { result: CONTENT }
  })
  const heard: (string | undefined)[] = []
  const onprogress = () => void heard.push(correlationId())
  await withCorrelation('first', () => sessions.callTool(BOB, CALL, { onprogress }))
  await withCorrelation('second', () => sessions.callTool(BOB, CALL, { onprogress }))
  assert.deepEqual(seen, [undefined, undefined])
  assert.deepEqual(heard, ['first', 'second'])
  await sessions.stop()
})

test('callTool() tells the peer how long it waits where that is long', async () => {
  const { sessions, sent } = await setup(() => ({ result: CONTENT }))
  await sessions.callTool(BOB, CALL, { timeoutMs: 30_000 })
  assert.equal(sent.at(-1)?.params?._meta?.['p2p-foundation/timeout'], undefined)
  await sessions.callTool(BOB, CALL, { timeoutMs: 60_000.5 })
  assert.equal(sent.at(-1)?.params?._meta?.['p2p-foundation/timeout'], 60_001)
  await sessions.stop()
})

test('callTool() waits as long as it is told, not longer', async () => {
  const { sessions, clock } = await setup(() => undefined)
  const call = assert.rejects(sessions.callTool(BOB, CALL, { timeoutMs: 50_000 }), failed(true))
  await clock.advance(49_999)
  await clock.advance(1)
  await call
  await sessions.stop()
})

test('a caller that gives up ends its call alone', async () => {
  const { sessions, clock, channels } = await setup(({ params }) =>
    (params as { name?: string }).name === 'add' ? undefined : { result: CONTENT },
  )
  const gaveUp = new AbortController()
  const first = sessions.callTool(BOB, CALL, { signal: gaveUp.signal })
  const rejected = assert.rejects(first, failed(true))
  await clock.advance(0)
  const other = { ...CALL, tool: 'other' }
  await sessions.callTool(BOB, other)
  gaveUp.abort(new Error('never mind'))
  await rejected
  await sessions.callTool(BOB, other)
  assert.equal(channels.length, 1)
  await sessions.stop()
})

test('a call that nobody answers ends no other call on its stream', async () => {
  const slow: Sent[] = []
  const { sessions, clock, channels } = await setup((message) => {
    if ((message.params as { name?: string }).name === 'other') slow.push(message)
    return undefined
  })
  const gaveUp = new AbortController()
  const other = sessions.callTool(BOB, { ...CALL, tool: 'other' })
  const quick = sessions.callTool(BOB, CALL, { signal: gaveUp.signal })
  const first = assert.rejects(quick, failed(true))
  await clock.advance(100)
  gaveUp.abort(new Error('somebody else was faster'))
  await first
  const late = assert.rejects(sessions.callTool(BOB, CALL, { timeoutMs: 5_000 }), failed(true))
  await clock.advance(5_000)
  await late
  assert.equal(channels.length, 1, 'a moment of silence is no reason for another stream')
  const again = assert.rejects(sessions.callTool(BOB, CALL, { timeoutMs: 5_000 }), failed(true))
  await clock.advance(5_000)
  await again
  assert.equal(channels.length, 2, 'the next call is not sent into silence')
  const answer = { jsonrpc: '2.0', id: slow[0]?.id, result: CONTENT }
  await channels[0]?.write(encodeMessage(answer))
  assert.deepEqual(await other, { content: CONTENT.content })
  await sessions.stop()
})

test('a request that cannot be sent is said so, and its stream goes on', async () => {
  const { sessions, channels } = await setup(() => ({ result: CONTENT }))
  for (const progress of [{}, { onprogress: () => {} }]) {
    await sessions.callTool(BOB, CALL)
    const long = { ...CALL, args: { text: 'x'.repeat(17 * 1024 * 1024) } }
    await assert.rejects(
      sessions.callTool(BOB, long, progress),
      (error) => coded('MCP_RESULT_TOO_LARGE')(error) && judge(error) === 'final',
    )
  }
  await sessions.callTool(BOB, CALL)
  assert.equal(channels.length, 1)
  await sessions.stop()
})

test('a stream that breaks in a call fails it as sent, and the next call opens another', async () => {
  let breaks = true
  const { sessions, channels } = await setup(() => {
    if (!breaks) return { result: CONTENT }
    breaks = false
    channels[0]?.abort(new Error('cut'))
    return undefined
  })
  await assert.rejects(sessions.callTool(BOB, CALL), failed(true))
  await sessions.callTool(BOB, CALL)
  assert.equal(channels.length, 2)
  await sessions.stop()
})

test('a peer whose service is gone is not asked again on the same stream', async () => {
  const data = { code: 'MCP_SERVICE_ENDED', message: 'gone', retryable: true }
  const answers = [{ error: { code: -32_000, message: 'gone', data } }, { result: CONTENT }]
  const { sessions, channels } = await setup(() => answers.shift())
  await assert.rejects(sessions.callTool(BOB, CALL), coded('MCP_PEER_REFUSED'))
  await sessions.callTool(BOB, CALL)
  assert.equal(channels.length, 2)
  await sessions.stop()
})

test('a peer that cannot be reached fails the call as not sent', async () => {
  const metrics = mcpMetrics(new Registry())
  const host = { open: () => Promise.reject(new Error('no route')), ping: async () => 1 }
  const deps = { host, clock: new FakeClock(), log: silentLog, metrics, network: 'test' }
  const sessions = new Sessions(deps, mcpConfig.parse({}))
  await assert.rejects(sessions.callTool(BOB, CALL), failed(false))
  await assert.rejects(sessions.callTool(BOB, CALL), /no route/)
})

test('opening a stream has a deadline of its own', async () => {
  const metrics = mcpMetrics(new Registry())
  const clock = new FakeClock()
  const host = {
    open: (_peer: unknown, _protocol: unknown, { signal }: { signal?: AbortSignal } = {}) =>
      new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error))
      }),
    ping: async () => 1,
  }
  const deps = { host, clock, log: silentLog, metrics, network: 'test' }
  const sessions = new Sessions(deps, mcpConfig.parse({ attemptTimeoutMs: 1_000 }))
  const call = assert.rejects(sessions.callTool(BOB, CALL), failed(false))
  await clock.advance(1_000)
  await call
})

test('a session that nobody uses is closed after five minutes', async () => {
  const { sessions, clock, channels } = await setup(() => ({ result: CONTENT }))
  await sessions.callTool(BOB, CALL)
  await clock.advance(240_000)
  await sessions.callTool(BOB, CALL)
  await clock.advance(240_000)
  await sessions.callTool(BOB, CALL)
  assert.equal(channels.length, 1)
  await clock.advance(330_000)
  await sessions.callTool(BOB, CALL)
  assert.equal(channels.length, 2)
  await sessions.stop()
})

test('a refusal to open a stream keeps its code', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const error = await net.sessions.callTool(BOB, CALL).catch((cause: unknown) => cause)
  assert.ok(coded('MCP_PEER_REFUSED')(error))
  assert.equal((error as CodedError<string, { code: string }>).facts.code, 'MCP_SERVICE_UNKNOWN')
})

test('a tool that is not idempotent ran once, though its answer never came', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const file = join(folder.path, 'count')
  await net.services.expose(fixtureSpec('fix', file), { detached: false })
  const call = { service: 'fix', tool: 'counter', args: {} }
  await net.sessions.callTool(BOB, call)
  const slow = { service: 'fix', tool: 'slow', args: { ms: 60_000 } }
  const broken = assert.rejects(net.sessions.callTool(BOB, slow), failed(true))
  setTimeout(() => net.cut(), 200)
  await broken
  await net.sessions.callTool(BOB, call)
  assert.equal(await readFile(file, 'utf8').then((text) => text.match(/ran/g)?.length), 2)
})

test('listTools() reads the tools with their schemas', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const { tools } = await net.services.expose(fixtureSpec('fix'), { detached: false })
  assert.deepEqual(await net.sessions.listTools(BOB, 'fix'), tools)
})

test('an answer above the limit of a frame fails the call with the reason', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  await net.services.expose(fixtureSpec('fix'), { detached: false })
  const call = { service: 'fix', tool: 'big', args: { mib: 17 } }
  await assert.rejects(net.sessions.callTool(BOB, call), /limit is 16777216/)
})

/** Lets everything that is ready run first. */
async function settled<T>(value: T): Promise<T> {
  await new Promise((resolve) => setImmediate(resolve))
  return value
}
