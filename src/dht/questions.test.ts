import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { keysOf } from '../../test/support/datagram-fixture.ts'
import { NETWORK, signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { FakeNet } from '../../test/support/fake-net.ts'
import { FakeUdp } from '../../test/support/fake-udp.ts'
import { BaseError, equalBytes, Registry, seededRandom, silentLog, utf8 } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import type { Channel } from '../net/index.ts'
import { type DhtConfig, dhtConfig } from './config.ts'
import { DatagramFace } from './datagram-face.ts'
import { dhtMetrics } from './metrics.ts'
import { dhtProtocol } from './protocol.ts'
import { Questions } from './questions.ts'
import { decodeMessage, encodeMessage, type Message } from './wire.ts'

const protocol = dhtProtocol(NETWORK)
const question = (text: string): Message => ({ type: 'findNode', key: utf8(text) })
const none = {}

/** One who asks, and one who does with each channel what the test says. */
async function setup(serve: (channel: Channel) => Promise<void>, config: Partial<DhtConfig> = {}) {
  const net = new FakeNet()
  const clock = new FakeClock()
  const host = net.add(signerOf(1).peer)
  const other = net.add(signerOf(2).peer)
  await other.handle(protocol, serve)
  await host.learn(other.self, other.addresses(), host.self)
  const metrics = dhtMetrics(new Registry())
  const questions = new Questions({ host, clock, metrics }, dhtConfig.parse(config), protocol)
  const ask = (text: string, options: { signal?: AbortSignal } = none) =>
    questions.ask(other.self, [question(text)], options)
  return { questions, clock, host, other, net, ask }
}

/** Answers as kad-dht does, in order and for as long as it is asked, with the key it was asked. */
async function answerAll(channel: Channel, most = Number.POSITIVE_INFINITY): Promise<void> {
  for (let answers = 0; answers < most; answers += 1) {
    const frame = await channel.read().catch(() => undefined)
    if (frame === undefined) return
    const { type, key = new Uint8Array() } = decodeMessage(frame)
    if (type !== 'addProvider') await channel.write(encodeMessage({ type, key }))
  }
  await channel.close()
}

const textOf = ({ key }: Message) => Buffer.from(key ?? []).toString()

test('questions share one stream, and each gets its own answer', async () => {
  const { ask, other, questions } = await setup(answerAll)
  const texts = Array.from({ length: 20 }, (_, i) => `${i}`)
  const answers = await Promise.all(texts.map((text) => ask(text)))
  assert.deepEqual(answers.map(textOf), texts)
  assert.equal(textOf(await ask('later')), 'later')
  assert.equal(other.opened, 1)
  questions.stop()
})

test('a peer that closes after each answer is asked again on a new stream', async () => {
  const { ask, other, clock } = await setup((channel) => answerAll(channel, 1))
  const texts = ['a', 'b', 'c', 'd']
  const answers = await Promise.all(texts.map((text) => ask(text)))
  assert.deepEqual(answers.map(textOf), texts)
  assert.ok(other.opened >= 4)
  assert.equal(clock.waiting, 0)
})

test('a stream that was closed while idle is opened again', async () => {
  let first: Channel | undefined
  const { ask, other, questions } = await setup(async (channel) => {
    first ??= channel
    await answerAll(channel)
  })
  await ask('a')
  first?.abort(new TypeError('reset'))
  assert.equal(textOf(await ask('b')), 'b')
  assert.equal(other.opened, 2)
  questions.stop()
})

test('what kad-dht leaves unanswered is followed by what it answers', async () => {
  const { questions, other } = await setup(answerAll)
  const messages: Message[] = [{ type: 'addProvider', key: utf8('a') }, { type: 'ping' }]
  assert.equal((await questions.ask(other.self, messages, none)).type, 'ping')
  questions.stop()
})

test('a silent peer fails when its time is up, and takes its stream with it', async () => {
  let closed: AbortSignal | undefined
  const { ask, clock } = await setup(async (channel) => {
    closed = channel.closed
  })
  const asked = ask('a')
  await Promise.all([assert.rejects(asked, coded('DHT_PEER_FAILED')), clock.advance(5_000)])
  assert.ok(closed?.aborted)
  await setImmediate()
  assert.equal(clock.waiting, 0)
})

test('an answer of another kind, or that nobody asked for, costs the stream', async () => {
  const wrong = await setup(async (channel) => {
    await channel.read()
    await channel.write(encodeMessage({ type: 'ping' }))
  })
  await assert.rejects(wrong.ask('a'), /it answered ping to findNode/)

  const unasked = await setup(async (channel) => {
    await channel.write(encodeMessage({ type: 'findNode' }))
    await channel.write(encodeMessage({ type: 'findNode' }))
  })
  await unasked.ask('a').catch(() => undefined)
  await setImmediate()
  assert.equal(unasked.clock.waiting, 0)

  const noise = await setup(async (channel) => channel.write(Uint8Array.of(0xff)))
  await assert.rejects(noise.ask('a'), coded('WIRE_MALFORMED'))
})

test('a caller that gives up does not disturb those who wait', async () => {
  const held: (() => void)[] = []
  const { ask, other, questions } = await setup(async (channel) => {
    await new Promise<void>((resolve) => held.push(resolve))
    await answerAll(channel)
  })
  const caller = new AbortController()
  const first = ask('a', { signal: caller.signal })
  const second = ask('b')
  await setImmediate()
  caller.abort(new TypeError('never mind'))
  await assert.rejects(first, /never mind/)
  for (const release of held) release()
  assert.equal(textOf(await second), 'b')
  assert.equal(other.opened, 1)
  questions.stop()
})

test('a peer out of reach is not tried again, but at new addresses or after a pause', async () => {
  const { ask, clock, host, other, net, questions } = await setup(answerAll)
  const address = host.book.get(other.self) ?? assert.fail()
  host.book.set(other.self, new Set(['/ip4/127.0.0.1/tcp/999']))
  await assert.rejects(ask('a'), coded('NET_PEER_UNREACHABLE'))
  await assert.rejects(ask('a'), /a moment ago/)
  host.book.set(other.self, address)
  assert.equal(textOf(await ask('b')), 'b')
  questions.stop()
  assert.equal(net.hosts.length, 2)

  const again = await setup(answerAll)
  const known = again.host.book.get(again.other.self) ?? assert.fail()
  again.other.alive = false
  await assert.rejects(again.ask('a'), coded('NET_PEER_UNREACHABLE'))
  again.other.alive = true
  await assert.rejects(again.ask('a'), /a moment ago/)
  await again.clock.advance(30_001)
  assert.equal(textOf(await again.ask('a')), 'a')
  assert.equal(known.size, 1)
  again.questions.stop()
  assert.equal(clock.waiting, 0)
})

test('a dial that we have no room for is no reason not to try the peer again', async () => {
  const { ask, host, questions } = await setup(answerAll)
  const open = host.open.bind(host)
  host.open = () => Promise.reject(BaseError.BUSY({ queue: 'dials', waiting: 1, limit: 1 }))
  await assert.rejects(ask('a'), coded('BASE_BUSY'))
  host.open = open
  assert.equal(textOf(await ask('a')), 'a')
  questions.stop()
})

test('questions to one peer are bounded', async () => {
  const { ask, questions } = await setup(async () => undefined)
  const asked = Array.from({ length: 128 }, () => ask('a').catch(() => undefined))
  await setImmediate()
  await assert.rejects(ask('one more'), coded('DHT_PEER_BUSY'))
  questions.stop()
  await Promise.all(asked)
})

test('streams are bounded: the idlest is closed for a new one', async () => {
  const { ask, questions, net, host, other } = await setup(answerAll, { streamsMax: 1 })
  await ask('a')
  const third = net.add(signerOf(3).peer)
  await third.handle(protocol, answerAll)
  await host.learn(third.self, third.addresses(), host.self)
  await questions.ask(third.self, [question('b')], none)
  await ask('c')
  assert.deepEqual([other.opened, third.opened], [2, 1])
  questions.stop()
})

test('an idle stream is closed after its time', async () => {
  const { ask, clock } = await setup(answerAll, { streamIdleMs: 1_000 })
  await ask('a')
  assert.equal(clock.waiting, 1)
  await clock.advance(1_000)
  assert.equal(clock.waiting, 0)
})

test('after stop() everything that waits has failed and nothing more is asked', async () => {
  const { ask, questions, clock } = await setup(async () => undefined)
  const asked = ask('a')
  await setImmediate()
  questions.stop()
  await assert.rejects(asked, coded('DHT_PEER_FAILED'))
  await assert.rejects(ask('b'), coded('DHT_PEER_FAILED'))
  await setImmediate()
  assert.equal(clock.waiting, 0)
})

/** Two who have datagram faces and meet over a stream; the second answers as a handler would. */
async function faced(config: Partial<DhtConfig> = {}, loses?: FakeUdp['loses']) {
  const udp = new FakeUdp()
  const clock = new FakeClock(1_000_000)
  const net = new FakeNet()
  const made = [1, 2].map((seed) => {
    const { signer, agreement } = keysOf(seed)
    const host = net.add(signer.peer)
    const asked: Message[] = []
    const answer = async (_: PeerId, messages: Iterable<Message>): Promise<Message> => {
      asked.push(...messages)
      const { type, key = new Uint8Array() } = asked.at(-1) ?? assert.fail()
      const isSelf = equalBytes(key, peerIdToBytes(host.self))
      const self = { peer: host.self, addresses: await questions.addressesOf(host.self) }
      const long = key.length === 1 ? { record: { key, value: new Uint8Array(3_000) } } : {}
      return { type, key, closer: isSelf ? [self] : [], ...long }
    }
    const metrics = dhtMetrics(new Registry())
    const shared = { host, clock, metrics, network: NETWORK, log: silentLog, answer }
    const face = new DatagramFace(
      {
        ...shared,
        agreement,
        openUdp: udp.open,
        hosts: ['127.0.0.1'],
        random: seededRandom(`questions ${seed}`),
        spoke: () => undefined,
      },
      dhtConfig.parse(config),
    )
    const questions = new Questions({ ...shared, face }, dhtConfig.parse(config), protocol)
    return { host, face, questions, asked, answer }
  })
  const [a, b] = made
  assert.ok(a !== undefined && b !== undefined)
  for (const one of made) await one.face.start()
  if (loses !== undefined) udp.loses = loses
  await b.host.handle(protocol, async (channel) => {
    for (;;) {
      const frame = await channel.read().catch(() => undefined)
      if (frame === undefined) return
      await channel.write(encodeMessage(await b.answer(channel.peer, [decodeMessage(frame)])))
    }
  })
  await a.host.learn(b.host.self, b.host.addresses(), a.host.self)
  const ask = (text: string) => a.questions.ask(b.host.self, [question(text)], none)
  const stop = () => {
    for (const one of made) {
      one.questions.stop()
      one.face.stop()
    }
  }
  return { udp, clock, net, a, b, ask, stop }
}

test('peers that meet over a stream ask each other by datagram from then on', async () => {
  const { a, b, ask, udp, stop } = await faced()
  assert.equal(textOf(await ask('first')), 'first')
  assert.deepEqual(a.questions.datagramAddressOf(b.host.self), b.face.addresses()[0])
  // The stream said where datagrams go; the first of them was challenged.
  assert.equal(b.host.opened, 1)
  assert.equal(udp.sent, 4)
  assert.equal(textOf(await ask('second')), 'second')
  assert.equal(udp.sent, 6)
  // Whoever was asked knows where, and needs no stream at all.
  b.host.alive = false
  const [answered] = [await b.questions.ask(a.host.self, [question('back')], none)]
  assert.equal(textOf(answered), 'back')
  assert.equal(b.questions.hostOf(a.host.self), '127.0.0.1')
  stop()
})

test('what does not fit a datagram comes over a stream', async () => {
  const { ask, udp, stop, b } = await faced()
  await ask('first')
  const { record } = await ask('x')
  assert.equal(record?.value.length, 3_000)
  assert.ok(udp.sent > 0)
  assert.equal(b.asked.filter(({ key }) => key?.length === 1).length, 2)
  stop()
})

test('a peer that answers no datagram is asked over a stream, and by datagram no more', async () => {
  const { ask, udp, clock, stop } = await faced({}, () => true)
  const first = ask('first')
  await clock.advance(2_000)
  assert.equal(textOf(await first), 'first')
  const { sent } = udp
  assert.equal(sent, 2)
  assert.equal(textOf(await ask('second')), 'second')
  assert.equal(udp.sent, sent)
  stop()
})

test('a peer that used to answer datagrams and is silent has failed', async () => {
  const { ask, udp, clock, stop } = await faced()
  await ask('first')
  await ask('second')
  udp.loses = () => true
  const third = ask('third')
  await Promise.all([assert.rejects(third, /answered no datagram/), clock.advance(5_000)])
  await assert.rejects(ask('fourth'), /a moment ago/)
  stop()
})

test('a peer whose face could not be asked for is asked for it again', async () => {
  const { a, b, ask, clock, net, stop } = await faced({ streamsMax: 1 })
  const other = keysOf(3).signer.peer
  // The one stream that we may have is taken by a peer that never answers.
  const silent = net.add(other)
  await silent.handle(protocol, async () => undefined)
  await a.host.learn(other, silent.addresses(), a.host.self)
  const held = assert.rejects(a.questions.ask(other, [question('x')], none))
  await setImmediate()
  await assert.rejects(ask('first'), coded('DHT_PEER_BUSY'))
  await Promise.all([held, clock.advance(5_000)])
  assert.equal(textOf(await ask('second')), 'second')
  assert.ok(a.questions.datagramAddressOf(b.host.self) !== undefined)
  stop()
})

test('a caller that gives up leaves a datagram to itself', async () => {
  const { a, b, ask, udp, clock, stop } = await faced()
  await ask('first')
  udp.loses = () => true
  const caller = new AbortController()
  const asked = a.questions.ask(b.host.self, [question('x')], { signal: caller.signal })
  caller.abort(new TypeError('never mind'))
  await assert.rejects(asked, /never mind/)
  stop()
  await setImmediate()
  assert.equal(clock.waiting, 0)
})
