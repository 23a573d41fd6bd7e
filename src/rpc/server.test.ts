import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { MemoryNet } from '../../test/support/channel-pair.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { AccessError, type Action } from '../access/index.ts'
import { BaseError, type Logger, Registry, silentLog } from '../base/index.ts'
import { type PeerId, peerIdFromBytes } from '../identity/index.ts'
import { type Cbor, encodeCbor } from '../wire/index.ts'
import { rpcConfig } from './config.ts'
import type { ServeContext } from './methods.ts'
import { rpcMetrics } from './metrics.ts'
import { decodeAnswer, encodeRequest, rpcProtocol } from './protocol.ts'
import { RpcServer } from './server.ts'

const idOf = (n: number): PeerId => {
  const bytes = new Uint8Array(34)
  bytes.set([0x12, 0x20, n])
  return peerIdFromBytes(bytes)
}
const [US, PEER] = [idOf(1), idOf(2)]

interface Setup {
  readonly config?: Parameters<typeof rpcConfig.parse>[0]
  readonly admit?: (peer: PeerId, action: Action) => void
}

/** A server with a few methods, and a peer that speaks in frames. */
async function setup({ config = {}, admit = () => undefined }: Setup = {}) {
  const net = new MemoryNet()
  const clock = new FakeClock()
  const errors: string[] = []
  const served: { payload: Cbor; context: ServeContext }[] = []
  const log: Logger = { ...silentLog, error: (message) => errors.push(message) }
  const metrics = rpcMetrics(new Registry())
  const server = new RpcServer(
    { host: net.host(US), policy: { admit }, network: 'main', clock, log, metrics },
    rpcConfig.parse(config),
  )
  const held: (() => void)[] = []
  server.handle('echo', async (payload, context) => {
    served.push({ payload, context })
    return payload
  })
  server.handle('hang', async (payload, context) => {
    served.push({ payload, context })
    await new Promise<void>((resolve) => held.push(resolve))
    return payload
  })
  server.handle('large', async () => new Uint8Array(4 * 1_024 * 1_024))
  server.handle('half', async () => 0.5)
  server.handle('coded', async () => {
    throw AccessError.DENIED({ peer: PEER, action: 'x', missing: 'a grant' })
  })
  server.handle('secret', async () => {
    throw new TypeError('password 1234')
  })
  server.handle('bug', async () => {
    throw BaseError.BUG({ invariant: 'password 1234' })
  })
  await server.start()

  const connect = async (from = PEER) => {
    const channel = await net.host(from).open(US, rpcProtocol('main'))
    const send = (id: number, method: string, payload: Cbor = null) => {
      return channel.write(encodeRequest({ id, method, payload }))
    }
    const answer = async () => decodeAnswer((await channel.read()) ?? assert.fail('goodbye'))
    return { channel, send, answer }
  }
  return { server, net, clock, errors, served, held, connect }
}

test('a call is served and answered', async () => {
  const { connect, served } = await setup()
  const { send, answer } = await connect()
  await send(5, 'echo', ['a', 1])
  assert.deepEqual(await answer(), { id: 5, ok: true, payload: ['a', 1] })
  assert.equal(served[0]?.context.peer, PEER)
})

test('a call that takes long does not hold up the next one', async () => {
  const { connect, held } = await setup()
  const { send, answer } = await connect()
  await send(1, 'hang', 'slow')
  await send(2, 'echo', 'quick')
  assert.equal((await answer()).id, 2)
  held[0]?.()
  assert.equal((await answer()).id, 1)
})

const failures = [
  ['nothing', 'RPC_METHOD_UNKNOWN', /"nothing"/],
  ['coded', 'ACCESS_DENIED', /a grant/],
  ['secret', 'RPC_INTERNAL', /failed inside/],
  ['bug', 'RPC_INTERNAL', /failed inside/],
  ['large', 'RPC_ANSWER_TOO_LARGE', /limit is 4194304/],
  ['half', 'RPC_INTERNAL', /failed inside/],
] as const
for (const [method, code, message] of failures) {
  test(`the method "${method}" is answered with ${code}, and the stream lives on`, async () => {
    const { connect } = await setup()
    const { send, answer } = await connect()
    await send(1, method)
    const failed = await answer()
    assert.ok(!failed.ok)
    assert.equal(failed.failure.code, code)
    assert.match(failed.failure.message, message)
    assert.doesNotMatch(failed.failure.message, /1234/)
    await send(2, 'echo', 'still here')
    assert.ok((await answer()).ok)
  })
}

test('the policy is asked before a request is read, and its refusal is the answer', async () => {
  const asked: string[] = []
  const admit = (peer: PeerId, action: Action) => {
    asked.push(`${peer} ${action}`)
    throw AccessError.QUOTA({ peer, action, of: 'peer', retryAfterMs: 10 })
  }
  const { connect, served } = await setup({ admit })
  const { channel, answer } = await connect()
  // Everything after the id is nonsense: whoever read it would drop the stream.
  await channel.write(Uint8Array.from([0x83, 0x07, 0xff, 0xff]))
  const refused = await answer()
  assert.ok(!refused.ok && refused.id === 7)
  assert.deepEqual([refused.failure.code, refused.failure.retryable], ['ACCESS_QUOTA', true])
  assert.deepEqual(asked, [`${PEER} rpc.call`])
  assert.equal(served.length, 0)
})

test('a peer has so many calls in flight, over all its streams; another has its own', async () => {
  const { connect, held } = await setup({ config: { inFlightPerPeerMax: 2 } })
  const [first, second, other] = [await connect(), await connect(), await connect(idOf(3))]
  await first.send(1, 'hang')
  await second.send(1, 'hang')
  await second.send(2, 'echo')
  const refused = await second.answer()
  assert.ok(!refused.ok && refused.failure.code === 'RPC_BUSY' && refused.failure.retryable)
  await other.send(1, 'echo')
  assert.ok((await other.answer()).ok)
  held[0]?.()
  assert.ok((await first.answer()).ok)
  await second.send(3, 'echo')
  assert.ok((await second.answer()).ok)
})

test('all peers together have so many calls in flight', async () => {
  const { connect } = await setup({ config: { servingMax: 2 } })
  const peers = [await connect(idOf(3)), await connect(idOf(4)), await connect(idOf(5))] as const
  await peers[0].send(1, 'hang')
  await peers[1].send(1, 'hang')
  await peers[2].send(1, 'echo')
  const refused = await peers[2].answer()
  assert.ok(!refused.ok)
  assert.match(refused.failure.message, /of this node/)
})

test('a method that takes too long is answered for, and keeps its place to its end', async () => {
  const config = { serveTimeoutMs: 1_000, inFlightPerPeerMax: 1 }
  const { connect, clock, held, served } = await setup({ config })
  const { send, answer } = await connect()
  await send(1, 'hang')
  await clock.advance(1_000)
  const late = await answer()
  assert.ok(!late.ok && late.failure.code === 'BASE_DEADLINE')
  assert.equal(served[0]?.context.signal.aborted, true)
  await send(2, 'echo')
  const refused = await answer()
  assert.ok(!refused.ok && refused.failure.code === 'RPC_BUSY')
  held[0]?.()
  await setImmediate()
  await send(3, 'echo')
  assert.ok((await answer()).ok)
})

test('a peer that drops its stream takes back its calls', async () => {
  const { connect, served, net } = await setup()
  const { send, channel } = await connect()
  await send(1, 'hang')
  await setImmediate()
  assert.equal(served[0]?.context.signal.aborted, false)
  channel.abort(new TypeError('never mind'))
  assert.equal(served[0].context.signal.aborted, true)
  await setImmediate()
  assert.deepEqual(net.failures, [])
})

test('a peer that says goodbye still gets its answers', async () => {
  const { connect, held } = await setup()
  const { send, channel, answer } = await connect()
  await send(1, 'hang', 'last')
  await channel.close()
  await setImmediate()
  held[0]?.()
  assert.deepEqual(await answer(), { id: 1, ok: true, payload: 'last' })
  assert.equal(await channel.read(), undefined)
})

const nonsense = [
  ['no list', encodeCbor('hello')],
  ['the id 0', encodeCbor([0, 'echo', null])],
  ['a method that is none', encodeCbor([1, 'No Method', null])],
  ['CBOR that is not deterministic', Uint8Array.from([0x83, 0x18, 0x01, 0x61, 0x61, 0xf6])],
  ['nothing', new Uint8Array()],
] as const
for (const [what, frame] of nonsense) {
  test(`a frame with ${what} ends the stream`, async () => {
    const { connect, net } = await setup()
    const { channel } = await connect()
    await channel.write(frame)
    await setImmediate()
    assert.ok(channel.closed.aborted)
    assert.ok(coded('WIRE_MALFORMED')(net.failures[0]))
  })
}

test('a peer that reads no answers is not read from any more, and then dropped', async () => {
  const { connect, clock, served } = await setup({ config: { callTimeoutMs: 1_000 } })
  const { channel, send } = await connect()
  const flood = (async () => {
    for (let id = 1; id <= 1_000; id += 1) await send(id, 'nothing')
  })().catch(() => undefined)
  await clock.advance(0)
  for (let i = 0; i < 50; i += 1) await setImmediate()
  assert.equal(channel.closed.aborted, false)
  await clock.advance(1_000)
  await flood
  assert.ok(channel.closed.aborted)
  assert.equal(served.length, 0)
})

test('a stream without requests is dropped in the end', async () => {
  const { connect, clock, net } = await setup({ config: { idleMs: 60_000 } })
  const { channel, send, answer } = await connect()
  await clock.advance(100_000)
  await send(1, 'echo')
  await answer()
  await clock.advance(100_000)
  assert.equal(channel.closed.aborted, false)
  await clock.advance(80_000)
  assert.equal(channel.closed.aborted, true)
  assert.deepEqual(net.failures, [])
})

test('handle() takes a name once, and only a name', async () => {
  const { server } = await setup()
  assert.throws(() => server.handle('echo', async () => null), coded('BASE_BUG'))
  assert.throws(() => server.handle('Not a name', async () => null), coded('BASE_BUG'))
})

test('stop() says goodbye, takes back what is served, and leaves nothing', async () => {
  const { server, connect, clock, served, held } = await setup()
  const { send, channel } = await connect()
  await send(1, 'hang')
  await setImmediate()
  await server.stop()
  assert.equal(served[0]?.context.signal.aborted, true)
  assert.equal(await channel.read(), undefined)
  held[0]?.()
  await clock.advance(0)
  assert.equal(clock.waiting, 0)
  await server.stop()
})

test('stop() does not wait for a peer that takes nothing: its stream is cut', async () => {
  const { server, net, clock, connect } = await setup()
  await connect()
  const [, ours] = net.opened[0] ?? assert.fail()
  ours.close = () => new Promise(() => undefined)
  const stopping = server.stop()
  await clock.advance(1_000)
  await stopping
  assert.equal(ours.closed.aborted, true)
  assert.equal(clock.waiting, 0)
})
