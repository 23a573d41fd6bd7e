import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type MemoryChannel, MemoryNet } from '../../test/support/channel-pair.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Registry, silentLog } from '../base/index.ts'
import { type PeerId, peerIdFromBytes } from '../identity/index.ts'
import type { Channel } from '../net/index.ts'
import { type Cbor, encodeCbor } from '../wire/index.ts'
import { RpcClient } from './client.ts'
import { rpcConfig } from './config.ts'
import { rpcMetrics } from './metrics.ts'
import { type Answer, decodeRequest, encodeAnswer, type Request, rpcProtocol } from './protocol.ts'

const idOf = (n: number): PeerId => {
  const bytes = new Uint8Array(34)
  bytes.set([0x12, 0x20, n])
  return peerIdFromBytes(bytes)
}
const [US, PEER] = [idOf(1), idOf(2)]
const ok = ({ id, payload }: Request): Answer => ({ id, ok: true, payload })

type Serve = (request: Request, channel: Channel) => Answer | undefined

/** A client and a peer that answers as `serve` says; `undefined` keeps silent. */
async function setup(serve: Serve, config: Parameters<typeof rpcConfig.parse>[0] = {}) {
  const net = new MemoryNet()
  const clock = new FakeClock()
  const seen: Request[] = []
  const peer = async (channel: Channel) => {
    for (;;) {
      const frame = await channel.read()
      if (frame === undefined) return
      const request = decodeRequest(frame)
      seen.push(request)
      const answer = serve(request, channel)
      if (answer !== undefined) await channel.write(encodeAnswer(answer))
    }
  }
  for (const id of [PEER, idOf(3), idOf(4)]) {
    await net.host(id).handle(rpcProtocol('main'), peer)
  }
  const metrics = rpcMetrics(new Registry())
  const client = new RpcClient(
    { host: net.host(US), network: 'main', clock, log: silentLog, metrics },
    rpcConfig.parse(config),
  )
  await client.start()
  return { client, clock, net, seen }
}

test('call() resolves with the answer, and all calls share one stream', async () => {
  const { client, net } = await setup(ok)
  const answers = await Promise.all([1, 2, 3].map((n) => client.call(PEER, 'echo', n)))
  answers.push(await client.call(PEER, 'echo', 4))
  assert.deepEqual(answers, [1, 2, 3, 4])
  assert.equal(net.opened.length, 1)
})

test('answers may come in any order', async () => {
  const held: Request[] = []
  const { client } = await setup((request, channel) => {
    held.push(request)
    if (held.length < 3) return undefined
    for (const one of held.reverse()) void channel.write(encodeAnswer(ok(one)))
    return undefined
  })
  const answers = await Promise.all(['a', 'b', 'c'].map((text) => client.call(PEER, 'echo', text)))
  assert.deepEqual(answers, ['a', 'b', 'c'])
})

test('an error of the peer keeps its code and its word on retrying', async () => {
  const failure = { code: 'STORAGE_FULL', message: 'Cannot store it', retryable: true }
  const { client } = await setup(({ id }) => ({ id, ok: false, failure }))
  await assert.rejects(client.call(PEER, 'put', null), (error: Error) => {
    assert.ok(coded('STORAGE_FULL')(error))
    assert.match(error.message, /"put" at peer .* it says "Cannot store it"/)
    return 'retryable' in error && error.retryable === true
  })
})

test('a peer that does not answer costs the deadline, and its stream', async () => {
  const { client, clock, net } = await setup(() => undefined, { callTimeoutMs: 2_000 })
  const call = client.call(PEER, 'echo', 1)
  const refused = assert.rejects(call, coded('RPC_TIMEOUT'))
  await clock.advance(1_999)
  assert.equal(net.opened[0]?.[0].closed.aborted, false)
  await clock.advance(1)
  await refused
  assert.equal(net.opened[0][1].closed.aborted, true, 'the peer learns that nobody waits')
})

test('a caller that gives up gets its own reason; others on the stream go on', async () => {
  const held: (() => void)[] = []
  const { client, net } = await setup((request, channel) => {
    held.push(() => void channel.write(encodeAnswer(ok(request))))
    return undefined
  })
  const giveUp = new AbortController()
  const reason = new TypeError('enough')
  const first = client.call(PEER, 'echo', 1, { signal: giveUp.signal })
  const second = client.call(PEER, 'echo', 2)
  while (held.length < 2) await setImmediate()
  giveUp.abort(reason)
  await assert.rejects(first, reason)
  for (const answer of held) answer()
  assert.equal(await second, 2)
  assert.equal(await Promise.race([client.call(PEER, 'echo', 3), setImmediate('open')]), 'open')
  assert.equal(net.opened.length, 1, 'a late answer to a call given up is no fault')
})

test('a stream on which only calls given up are left is dropped', async () => {
  const held: (() => void)[] = []
  const { client, net } = await setup((request, channel) => {
    held.push(() => void channel.write(encodeAnswer(ok(request))))
    return undefined
  })
  const giveUp = new AbortController()
  const first = client.call(PEER, 'echo', 1, { signal: giveUp.signal })
  const second = client.call(PEER, 'echo', 2)
  while (held.length < 2) await setImmediate()
  giveUp.abort(new TypeError('enough'))
  await assert.rejects(first, /enough/)
  held[1]?.()
  assert.equal(await second, 2)
  assert.equal(net.opened[0]?.[1].closed.aborted, true)
})

test('a call at any moment of a stream that ends is answered or fails at once', async () => {
  const { client, net } = await setup(ok)
  for (let turns = 0; turns < 20; turns += 1) {
    await client.call(PEER, 'echo', 0)
    net.opened.at(-1)?.[1].abort(new TypeError('cable cut'))
    for (let i = 0; i < turns; i += 1) await Promise.resolve()
    const settled = client.call(PEER, 'echo', turns).catch((error: unknown) => {
      assert.ok(coded('RPC_CHANNEL_BROKEN')(error))
    })
    const late = setImmediate().then(() => setImmediate('late'))
    assert.notEqual(await Promise.race([settled, late]), 'late', `after ${turns} turns`)
  }
})

test('call() with a signal that is aborted already does nothing', async () => {
  const { client, net } = await setup(ok)
  const signal = AbortSignal.abort(new TypeError('before'))
  await assert.rejects(client.call(PEER, 'echo', 1, { signal }), /before/)
  assert.equal(net.opened.length, 0)
})

test('a channel that breaks fails all its calls, and the next call opens another', async () => {
  let silent = true
  const { client, net, seen } = await setup((request) => (silent ? undefined : ok(request)))
  const calls = [1, 2].map((n) => client.call(PEER, 'echo', n))
  const refused = calls.map((call) => {
    return assert.rejects(call, (error: Error) => {
      return coded('RPC_CHANNEL_BROKEN')(error) && 'retryable' in error && error.retryable === true
    })
  })
  while (seen.length < 2) await setImmediate()
  net.opened[0]?.[1].abort(new TypeError('cable cut'))
  await Promise.all(refused)
  silent = false
  assert.equal(await client.call(PEER, 'echo', 3), 3)
  assert.equal(net.opened.length, 2)
})

test('a peer that says goodbye in mid-call breaks the call', async () => {
  const { client } = await setup((_, channel) => void channel.close())
  await assert.rejects(client.call(PEER, 'echo', 1), coded('RPC_CHANNEL_BROKEN'))
})

test('a peer that cannot be reached fails the call with what the network says', async () => {
  const { client } = await setup(ok)
  await assert.rejects(client.call(idOf(9), 'echo', 1), coded('NET_PROTOCOL_UNSUPPORTED'))
})

const lies: readonly (readonly [string, Cbor])[] = [
  ['an id that we did not ask with', [77, true, null]],
  ['no answer at all', 'hello'],
]
for (const [what, lie] of lies) {
  test(`a peer that sends ${what} loses the stream`, async () => {
    const { client, net } = await setup((_, channel) => void channel.write(encodeCbor(lie)))
    await assert.rejects(client.call(PEER, 'echo', 1), coded('RPC_CHANNEL_BROKEN'))
    assert.equal(net.opened[0]?.[1].closed.aborted, true)
  })
}

test('a second answer to one call is a lie too', async () => {
  const { client, net } = await setup((request, channel) => {
    void channel.write(encodeAnswer(ok(request)))
    return ok(request)
  })
  assert.equal(await client.call(PEER, 'echo', 1), 1)
  while (net.opened[0]?.[0].closed.aborted !== true) await setImmediate()
})

test('a request that is too large, or cannot be sent, is refused here, at no cost', async () => {
  const { client, seen, net } = await setup(ok)
  const large = new Uint8Array(4 * 1_024 * 1_024)
  await assert.rejects(client.call(PEER, 'echo', large), coded('RPC_REQUEST_TOO_LARGE'))
  await assert.rejects(client.call(PEER, 'echo', 0.5), coded('WIRE_MALFORMED'))
  await assert.rejects(client.call(PEER, 'No Method', 1), coded('WIRE_MALFORMED'))
  assert.equal(await client.call(PEER, 'echo', 1), 1)
  assert.deepEqual([seen.length, net.opened.length], [1, 1])
})

test('calls beyond the bound wait, and beyond that are refused as busy', async () => {
  const held: (() => void)[] = []
  const { client, seen } = await setup(
    (request, channel) => {
      held.push(() => void channel.write(encodeAnswer(ok(request))))
      return undefined
    },
    { inFlightPerPeerMax: 2, waitingPerPeerMax: 1 },
  )
  const calls = [1, 2, 3].map((n) => client.call(PEER, 'echo', n))
  await assert.rejects(client.call(PEER, 'echo', 4), coded('BASE_BUSY'))
  await setImmediate()
  assert.equal(seen.length, 2)
  for (let answered = 0; answered < 3; ) {
    await setImmediate()
    for (const answer of held.splice(0)) {
      answer()
      answered += 1
    }
  }
  assert.deepEqual(await Promise.all(calls), [1, 2, 3])
})

test('a call given up while it waits for its turn is never sent', async () => {
  const { client, seen, clock } = await setup(() => undefined, { inFlightPerPeerMax: 1 })
  const giveUp = new AbortController()
  const first = client.call(PEER, 'echo', 1)
  const second = client.call(PEER, 'echo', 2, { signal: giveUp.signal })
  giveUp.abort(new TypeError('enough'))
  await assert.rejects(second, /enough/)
  const timeout = assert.rejects(first, coded('RPC_TIMEOUT'))
  await clock.advance(10_000)
  await timeout
  assert.deepEqual(
    seen.map(({ payload }) => payload),
    [1],
  )
})

test('a stream without calls is closed after a while', async () => {
  const { client, clock, net } = await setup(ok, { idleMs: 60_000 })
  await client.call(PEER, 'echo', 1)
  await clock.advance(59_999)
  assert.equal(net.opened[0]?.[0].closed.aborted, false)
  await clock.advance(30_001)
  assert.equal(net.opened[0][0].closed.aborted, true)
  assert.equal(await client.call(PEER, 'echo', 2), 2)
})

test('the peer called longest ago makes room, unless a call to it is under way', async () => {
  const silent = idOf(3)
  const { client, net } = await setup(
    (request, channel) => (isEndOf(net.opened, channel, silent) ? undefined : ok(request)),
    { peersMax: 2 },
  )
  const hanging = client.call(silent, 'echo', 1)
  await client.call(PEER, 'echo', 1)
  await client.call(idOf(4), 'echo', 1)
  await setImmediate()
  const closed = net.opened.map(([near]) => near.closed.aborted)
  assert.deepEqual(closed, [false, true, false])
  const broken = assert.rejects(hanging, coded('RPC_CHANNEL_BROKEN'))
  await client.stop()
  await broken
})

test('with calls to as many peers as there may be, another peer is refused', async () => {
  const { client } = await setup(() => undefined, { peersMax: 1 })
  const first = assert.rejects(client.call(PEER, 'echo', 1), coded('RPC_CHANNEL_BROKEN'))
  await assert.rejects(client.call(idOf(3), 'echo', 1), coded('RPC_PEERS_EXHAUSTED'))
  await client.stop()
  await first
})

test('stop() fails what is under way, refuses what comes, and leaves nothing', async () => {
  const { client, clock, net } = await setup(() => undefined)
  const call = assert.rejects(client.call(PEER, 'echo', 1), coded('RPC_CHANNEL_BROKEN'))
  await setImmediate()
  await client.stop()
  await call
  await assert.rejects(client.call(PEER, 'echo', 1), coded('RPC_STOPPED'))
  await clock.advance(0)
  assert.equal(clock.waiting, 0)
  assert.equal(net.opened[0]?.[0].closed.aborted, true)
})

function isEndOf(
  opened: readonly (readonly [MemoryChannel, MemoryChannel])[],
  channel: Channel,
  peer: PeerId,
): boolean {
  return opened.some(([near, far]) => far === channel && near.peer === peer)
}
