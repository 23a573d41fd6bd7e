import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { NETWORK, signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { FakeNet } from '../../test/support/fake-net.ts'
import { BaseError, Registry, utf8 } from '../base/index.ts'
import type { Channel } from '../net/index.ts'
import { type DhtConfig, dhtConfig } from './config.ts'
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
