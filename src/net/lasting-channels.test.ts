import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MemoryChannel, MemoryNet } from '../../test/support/channel-pair.ts'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { type Random, seededRandom, silentLog, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type ChannelConfig, channelConfig } from './config.ts'
import { NetError } from './errors.ts'
import type { LastingChannel } from './lasting.ts'
import { LastingChannels } from './lasting-channels.ts'
import { decodeMessage, encodeMessage, lastingProtocol } from './lasting-codec.ts'

const [A, B, C] = [signerOf(1).peer, signerOf(2).peer, signerOf(3).peer]
const LOST = coded('NET_CHANNEL_LOST')

/** Nodes in memory; whoever is in `unreachable` cannot be dialled. */
function setup(knobs: Partial<ChannelConfig> = {}) {
  const net = new MemoryNet()
  const clock = new FakeClock(1_000)
  const unreachable = new Set<PeerId>()
  const probed: PeerId[] = []
  const config = channelConfig.parse(knobs)
  const random: Random = seededRandom('lasting')
  const node = async (self: PeerId) => {
    const connect = async (peer: PeerId) => {
      if (unreachable.has(peer)) throw NetError.CONNECT_FAILED({ target: peer, tried: [] })
    }
    const host = {
      ...net.host(self),
      connections: () => [],
      ping: async (peer: PeerId) => probed.push(peer),
      disconnect: async () => undefined,
    }
    const deps = { host, find: connect, connect, network: 'main', clock, random, log: silentLog }
    const channels = new LastingChannels(deps, config)
    await channels.start()
    return channels
  }
  /** Both ends of the stream opened last. */
  const stream = (): readonly [MemoryChannel, MemoryChannel] => {
    const last = net.opened.at(-1)
    assert.ok(last !== undefined)
    return last
  }
  const cut = () => stream()[0].abort(new TypeError('cut'))
  return { net, clock, unreachable, node, stream, cut, probed }
}

/** A channel from A to a program at B that does with it what the test says. */
async function joined(knobs: Partial<ChannelConfig> = {}) {
  const world = setup(knobs)
  const [a, b] = [await world.node(A), await world.node(B)]
  const served = Promise.withResolvers<LastingChannel>()
  const done = Promise.withResolvers<void>()
  b.serve('test/1', async (channel) => {
    served.resolve(channel)
    await done.promise
  })
  const near = await a.open(B, 'test/1')
  const far = await served.promise
  return { ...world, a, b, near, far, done }
}

const text = (frame: Uint8Array | undefined) => frame && Buffer.from(frame).toString()

test('frames go both ways, and are confirmed when the other program took them', async () => {
  const { near, far, clock } = await joined()
  await near.write(utf8('one'))
  await far.write(utf8('two'))
  assert.equal(near.unconfirmed, 1)
  assert.equal(text(await far.read()), 'one')
  assert.equal(text(await near.read()), 'two')
  await clock.advance(10)
  await near.confirmed()
  await far.confirmed()
  assert.deepEqual([near.unconfirmed, far.unconfirmed], [0, 0])
})

test('after a cut the maker dials again, and what was not confirmed arrives once', async () => {
  const { near, far, clock, cut, net } = await joined()
  await near.write(utf8('one'))
  await clock.advance(0)
  assert.equal(text(await far.read()), 'one')
  cut()
  await near.write(utf8('two'))
  assert.equal(near.state, 'resuming')
  await clock.advance(300)
  assert.deepEqual([near.state, far.state, net.opened.length], ['attached', 'attached', 2])
  assert.equal(text(await far.read()), 'two')
  await clock.advance(10)
  await near.confirmed()
})

test('the other side dials after two seconds when the maker cannot', async () => {
  const { near, far, clock, cut, net, unreachable } = await joined()
  unreachable.add(B)
  cut()
  await far.write(utf8('back'))
  await clock.advance(1_900)
  assert.equal(net.opened.length, 1)
  await clock.advance(200)
  assert.deepEqual([near.state, far.state, net.opened.length], ['attached', 'attached', 2])
  assert.equal(text(await near.read()), 'back')
})

test('a change of the network ends the pause before the next try', async () => {
  const { a, near, clock, cut, unreachable } = await joined()
  unreachable.add(B).add(A)
  cut()
  await clock.advance(60_000)
  unreachable.clear()
  a.networkChanged()
  await clock.advance(0)
  assert.equal(near.state, 'attached')
})

test('a better path is taken over at once, and nothing is lost or doubled', async () => {
  const { a, b, near, far, clock, net } = await joined()
  await near.write(utf8('one'))
  b.pathImproved(A)
  await clock.advance(0)
  assert.equal(net.opened.length, 1)
  a.pathImproved(B)
  await near.write(utf8('two'))
  await clock.advance(0)
  assert.deepEqual([near.state, far.state, net.opened.length], ['attached', 'attached', 2])
  for (const expected of ['one', 'two']) assert.equal(text(await far.read()), expected)
})

test('a stream on which nothing is heard is given up after 15 s', async () => {
  const { near, far, clock, stream, net } = await joined()
  // The far side hears and says nothing any more, and its end stays open.
  const [, end] = stream()
  end.read = () => new Promise(() => undefined)
  end.write = async () => undefined
  await clock.advance(60_000)
  assert.ok(net.opened.length > 1)
  await near.write(utf8('heard'))
  await clock.advance(0)
  assert.equal(text(await far.read()), 'heard')
})

test('an idle channel shows that it lives, so that it is not given up', async () => {
  const { clock, net, near } = await joined()
  await clock.advance(120_000)
  assert.deepEqual([net.opened.length, near.state], [1, 'attached'])
})

test('both sides without a way lose the session in time, and say what is not confirmed', async () => {
  const { a, b, near, far, clock, cut, unreachable } = await joined({ resumeTimeoutMs: 5_000 })
  await near.write(utf8('taken'))
  await clock.advance(0)
  await far.read()
  await clock.advance(10)
  await near.write(utf8('on its way'))
  unreachable.add(A).add(B)
  cut()
  const confirmed = assert.rejects(near.confirmed(), /1 frames are not confirmed/)
  await clock.advance(4_900)
  assert.deepEqual([a.size, b.size], [1, 1])
  await clock.advance(200)
  await confirmed
  await assert.rejects(near.read(), LOST)
  await assert.rejects(near.write(utf8('late')), LOST)
  await assert.rejects(far.write(utf8('late')), LOST)
  assert.deepEqual([a.size, b.size], [0, 0])
  assert.ok(near.closed.aborted && far.closed.aborted)
})

test('what came before a session was lost can still be read', async () => {
  const { near, far, clock, cut, unreachable } = await joined({ resumeTimeoutMs: 1_000 })
  await near.write(utf8('in time'))
  await clock.advance(0)
  unreachable.add(A).add(B)
  cut()
  await clock.advance(2_000)
  assert.equal(text(await far.read()), 'in time')
  await assert.rejects(far.read(), LOST)
})

test('a peer that has forgotten the session ends it at once', async () => {
  const { near, clock, cut, node } = await joined()
  await near.write(utf8('lost'))
  await node(B)
  cut()
  await clock.advance(300)
  await assert.rejects(near.read(), (error) => LOST(error) && /no such session/.test(String(error)))
})

test('write() waits for room under its deadline, in turn, and then says what is in the way', async () => {
  const { near, far, clock } = await joined({ bufferFramesMax: 2, writeTimeoutMs: 1_000 })
  await near.write(utf8('1'))
  await near.write(utf8('2'))
  const third = near.write(utf8('3'))
  const fourth = assert.rejects(near.write(utf8('4')), (error) => {
    return coded('NET_CHANNEL_FULL')(error) && /2 frames/.test(String(error))
  })
  await clock.advance(500)
  assert.equal(text(await far.read()), '1')
  await clock.advance(20)
  await third
  await clock.advance(500)
  await fourth
  for (const expected of ['2', '3']) assert.equal(text(await far.read()), expected)
})

test('write() rejects with the reason of its signal, and the frame is not sent', async () => {
  const { near, far, clock } = await joined({ bufferFramesMax: 1 })
  await near.write(utf8('1'))
  const giveUp = new AbortController()
  const second = near.write(utf8('2'), { signal: giveUp.signal })
  const third = near.write(utf8('3'))
  await clock.advance(0)
  giveUp.abort(new TypeError('enough'))
  await assert.rejects(second, /enough/)
  assert.equal(text(await far.read()), '1')
  await clock.advance(10)
  await third
  assert.equal(text(await far.read()), '3')
})

test('write() refuses a frame that is too large, and after close()', async () => {
  const { near } = await joined()
  await assert.rejects(near.write(new Uint8Array(256 * 1_024 + 1)), coded('WIRE_TOO_LONG'))
  void near.close()
  await assert.rejects(near.write(utf8('late')), coded('NET_CHANNEL_CLOSED'))
})

test('close() resolves when all was taken, and both sides forget the session', async () => {
  const { a, b, near, far, clock, done } = await joined()
  await near.write(utf8('last'))
  const closed = near.close()
  await clock.advance(0)
  assert.equal(text(await far.read()), 'last')
  assert.equal(await far.read(), undefined)
  done.resolve()
  await clock.advance(100)
  await closed
  assert.equal(await near.read(), undefined)
  assert.deepEqual([a.size, b.size], [0, 0])
})

test('close() while a stream is down resolves once the way is found', async () => {
  const { a, b, near, far, clock, cut, done } = await joined()
  await near.write(utf8('last'))
  cut()
  const closed = near.close()
  const taken = far.read()
  await clock.advance(400)
  assert.equal(text(await taken), 'last')
  assert.equal(await far.read(), undefined)
  done.resolve()
  await clock.advance(100)
  await closed
  assert.deepEqual([a.size, b.size], [0, 0])
})

test('whoever closed, and reads no more, does not keep the session for ever', async () => {
  const { a, near, far, clock } = await joined()
  const closed = near.close()
  await clock.advance(0)
  assert.equal(await far.read(), undefined)
  await clock.advance(0)
  await closed
  await far.write(utf8('nobody reads this'))
  await clock.advance(25_000)
  assert.equal(a.size, 0)
  await assert.rejects(far.confirmed(), /1 frames are not confirmed/)
})

test('abort() ends both sides, each with what it does not know', async () => {
  const { near, far, clock } = await joined()
  await near.write(utf8('?'))
  near.abort(new TypeError('changed my mind'))
  await clock.advance(0)
  await assert.rejects(near.read(), /changed my mind.*1 frames/)
  assert.equal(text(await far.read()), '?')
  await assert.rejects(far.read(), LOST)
})

test('sessions are bounded for a peer and for the node, whoever made them', async () => {
  const world = setup({ perPeerMax: 2, sessionsMax: 3 })
  const [a, b, c] = [await world.node(A), await world.node(B), await world.node(C)]
  for (const one of [a, b, c]) one.serve('test/1', () => new Promise(() => undefined))
  await a.open(B, 'test/1')
  await b.open(A, 'test/1')
  await assert.rejects(a.open(B, 'test/1'), coded('NET_CHANNELS_EXHAUSTED'))
  await c.open(A, 'test/1')
  await assert.rejects(c.open(A, 'test/1'), coded('NET_CHANNEL_REFUSED'))
  assert.deepEqual([a.size, b.size, c.size], [3, 2, 1])
})

test("nobody can go on with another peer's session, or with one that never was", async () => {
  const { net, clock, b } = await joined()
  const sent = net.opened.length
  const hello = {
    kind: 'hello' as const,
    isNew: false,
    session: seededRandom('lasting').bytes(16),
    position: { received: 0, taken: 0 },
    window: { frames: 1_024, bytes: 1_048_576 },
    protocol: 'test/1',
  }
  const stream = await net.host(C).open(B, lastingProtocol('main'))
  await stream.write(encodeMessage(hello))
  const answer = await stream.read()
  assert.ok(answer !== undefined)
  assert.deepEqual(decodeMessage(answer), { kind: 'refuse', reason: 'unknown' })
  await clock.advance(0)
  assert.deepEqual([b.size, net.opened.length], [1, sent + 1])
})

test('a peer that breaks the rules loses its session', async () => {
  const { near, far, clock, stream } = await joined()
  const [end] = stream()
  await end.write(encodeMessage({ kind: 'data', number: 7, payload: utf8('a gap') }))
  await clock.advance(0)
  await assert.rejects(far.read(), /broke the protocol/)
  await assert.rejects(near.read(), LOST)
})

test('stop() tells the other side, and whoever waits here', async () => {
  const { a, near, far, clock } = await joined()
  const reading = assert.rejects(near.read(), /the node stops/)
  await a.stop()
  await reading
  await clock.advance(0)
  await assert.rejects(far.read(), LOST)
})

test('serve() and open() refuse names that are none, and one that is served already', async () => {
  const { a, b } = await joined()
  const wrong = coded('NET_CHANNEL_INVALID')
  for (const name of ['', 'with space', 'x'.repeat(129), 'é']) {
    assert.throws(() => a.serve(name, async () => undefined), wrong)
    await assert.rejects(a.open(B, name), wrong)
  }
  assert.throws(() => b.serve('test/1', async () => undefined), wrong)
  const withdraw = b.serve('other/1', async () => undefined)
  withdraw()
  await assert.rejects(a.open(B, 'other/1'), coded('NET_CHANNEL_REFUSED'))
})

test('nothing waits any more once all sessions are over', async () => {
  const { a, b, near, clock } = await joined()
  await near.write(utf8('x'))
  await a.stop()
  await b.stop()
  await clock.advance(0)
  assert.equal(clock.waiting, 0)
})
