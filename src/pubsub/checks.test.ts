import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { type Fields, silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type Admission, Checks } from './checks.ts'
import { cborCodec } from './codec.ts'
import { pubsubConfig } from './config.ts'
import { PubsubError } from './errors.ts'
import { type Counted, encodeCounted } from './repair-protocol.ts'
import { ReplayGuard } from './replay-guard.ts'
import { sequenceAt } from './sequence.ts'
import { Subscription } from './subscription.ts'
import { type TopicRules, Topics } from './topics.ts'

const [self, source, author] = ['self', 'source', 'author'] as [PeerId, PeerId, PeerId]

const WIRE = '/p2p-foundation/n/t'

/** Checks for topic `t`, which is read here, in network `n`. */
function setup(rules: TopicRules<unknown> = {}, { config = {}, barred = [] as PeerId[] } = {}) {
  const clock = new FakeClock(5_000)
  const refused: string[] = []
  const asked: string[] = []
  const off: number[] = []
  const policy: Admission = {
    admit(peer, action) {
      asked.push(`${action} ${peer}`)
      if (barred.includes(peer)) throw PubsubError.STREAM_REFUSED({ reason: 'test' })
    },
  }
  let received = 0
  const topics = new Topics('n', { bytesMax: 100 }, () => undefined)
  topics.define('t', rules)
  const reader = new Subscription<unknown>({
    queueMax: 1_000,
    queueBytesMax: 1e6,
    dropped() {},
    left() {},
  })
  topics.use('t').readers.add(reader)
  const metrics = {
    refusals: { add: (_: number | undefined, { reason = '' } = {}) => void refused.push(reason) },
    received: {
      add(amount = 1) {
        received += amount
      },
    },
    clockOff: { observe: (seconds: number) => void off.push(seconds) },
  }
  const repaired: Counted[] = []
  const noted: Counted[] = []
  const repair = {
    isRepaired: (_wire: string, _author: PeerId, { count }: Counted) => {
      return repaired.some((one) => one.count === count)
    },
    noted: (_wire: string, _author: PeerId, counted: Counted) => void noted.push(counted),
  }
  const warned: unknown[] = []
  const log = {
    ...silentLog,
    warn: (_: string, fields?: Fields) => void warned.push(fields?.offMs),
  }
  const parsed = pubsubConfig.parse(config)
  const replays = new ReplayGuard(parsed)
  const checks = new Checks(
    { self: () => self, topics, policy, replays, repair, clock, log, metrics },
    parsed,
  )
  let sequence = 254n
  const next = () => {
    sequence += 1n
    return sequence
  }
  const judge = (data: Uint8Array, by = author, number = next()) =>
    checks.judge(source, WIRE, { author: by, sequence: number, data })
  const seen = { refused, asked, off, warned, repaired, noted, received: () => received }
  return { checks, judge, clock, topics, reader, ...seen }
}

test('admits() passes what is within every limit, and asks the policy for who hands it on', () => {
  const { checks, asked, refused } = setup()
  assert.equal(checks.admits(source, '/p2p-foundation/n/t', 100), true)
  assert.deepEqual(asked, ['pubsub.message source'])
  assert.deepEqual(refused, [])
})

test('admits() refuses topics that nobody reads here, before anything is asked', () => {
  const { checks, asked, refused, topics } = setup()
  topics.use('known')
  for (const wire of ['t', '/p2p-foundation/n/known', '/p2p-foundation/n/other', '']) {
    assert.equal(checks.admits(source, wire, 1), false)
  }
  assert.deepEqual(refused, Array(4).fill('not subscribed'))
  assert.deepEqual(asked, [])
})

test('admits() refuses a message above its topic’s size without taking quota for it', () => {
  const { checks, asked, refused } = setup({ bytesMax: 10 })
  assert.deepEqual(
    [
      checks.admits(source, '/p2p-foundation/n/t', 11),
      checks.admits(source, '/p2p-foundation/n/t', 10),
    ],
    [false, true],
  )
  assert.deepEqual(refused, ['size'])
  assert.equal(asked.length, 1)
})

test('a topic is told of what its author signed and may not be said, and nobody else is blamed for it', () => {
  const told: unknown[] = []
  const schema = (value: unknown) => {
    if (value === 0) throw new TypeError('zero')
    return value
  }
  const { judge } = setup({
    schema,
    isAuthor: (value) => value !== 1,
    refused: (by, error) => void told.push([by, String(error)]),
  })
  const verdicts = [0, 1, 2].map((value) => judge(Uint8Array.of(value)))
  assert.deepEqual(verdicts, ['ignore', 'reject', 'accept'])
  assert.deepEqual(told, [
    [author, 'TypeError: zero'],
    [author, 'undefined'],
  ])
})

test('admits() refuses whom the policy refuses', () => {
  const { checks, refused } = setup({}, { barred: [source] })
  assert.equal(checks.admits(source, '/p2p-foundation/n/t', 1), false)
  assert.deepEqual(refused, ['quota'])
})

test('admits() bounds the bytes of one peer, and those of all', () => {
  const size = 512 * 1_024
  const perPeer = { bytesPerPeerPerSecondMax: size, bytesPerSecondMax: 2 * size }
  const { checks, refused } = setup({ bytesMax: size }, { config: perPeer })
  const from = (peer: string) => checks.admits(peer as PeerId, '/p2p-foundation/n/t', size)
  assert.deepEqual(['a', 'a', 'a', 'b', 'b', 'c'].map(from), [true, true, false, true, true, false])
  assert.deepEqual(refused, ['bytes', 'total'])
})

test('admits() bounds the number of messages of all peers', async () => {
  const { checks, refused, clock } = setup({}, { config: { messagesPerSecondMax: 2 } })
  const admitted = () =>
    ['a', 'b', 'c', 'd', 'e'].filter((peer) =>
      checks.admits(peer as PeerId, '/p2p-foundation/n/t', 1),
    ).length
  assert.equal(admitted(), 4)
  assert.deepEqual(refused, ['total'])
  await clock.advance(1_000)
  assert.equal(admitted(), 2)
})

test('judge() delivers a good message to every reader, as its schema returns it', async () => {
  const schema = (value: unknown) => ({ seen: value })
  const { judge, reader, received, topics } = setup({ schema })
  const second = new Subscription<unknown>({
    queueMax: 1,
    queueBytesMax: 1e6,
    dropped() {},
    left() {},
  })
  topics.use('t').readers.add(second)
  assert.equal(judge(cborCodec.encode({ a: 1 })), 'accept')
  const expected = {
    topic: 't',
    from: author,
    value: { seen: { a: 1 } },
    atMs: 5_000,
    id: 'author/ff',
  }
  assert.deepEqual((await reader.next()).value, expected)
  assert.deepEqual((await second.next()).value, expected)
  assert.equal(received(), 1)
})

test('judge() rejects what the codec cannot read, and ignores what the schema refuses', () => {
  const schema = () => assert.fail('not like this')
  const { judge, refused, received } = setup({ schema })
  assert.equal(judge(Uint8Array.of(0xff)), 'reject')
  assert.equal(judge(cborCodec.encode(1)), 'ignore')
  assert.deepEqual(refused, ['decode', 'schema'])
  assert.equal(received(), 0)
})

test('judge() rejects what its author may not say, and counts that against who handed it on', () => {
  const isAuthor = (value: unknown, by: PeerId) => value === by
  const { judge, refused, received } = setup({ schema: (value) => value, isAuthor })
  assert.equal(judge(cborCodec.encode('another')), 'reject')
  assert.equal(judge(cborCodec.encode(author)), 'accept')
  assert.deepEqual([refused, received()], [['author'], 1])
})

test('judge() asks for the author too, once, when another handed the message on', () => {
  const { judge, asked, refused } = setup({}, { barred: [author] })
  assert.equal(judge(cborCodec.encode(1)), 'ignore')
  assert.equal(judge(cborCodec.encode(1), source), 'accept')
  assert.deepEqual(asked, ['pubsub.message author'])
  assert.deepEqual(refused, ['author quota'])
})

test('judge() ignores our own messages that come back', () => {
  const { judge, refused } = setup()
  assert.equal(judge(cborCodec.encode(1), self), 'ignore')
  assert.deepEqual(refused, ['own'])
})

test('judge() holds each author to the rate of the topic', async () => {
  const { judge, refused, clock } = setup({ perPeerPerSecond: 1 })
  const data = cborCodec.encode(1)
  assert.deepEqual([judge(data), judge(data), judge(data)], ['accept', 'accept', 'ignore'])
  assert.equal(judge(data, 'other' as PeerId), 'accept')
  await clock.advance(1_000)
  assert.equal(judge(data), 'accept')
  assert.deepEqual(refused, ['rate'])
})

test('judge() takes no message twice, and none whose time is far from ours; the log says how far', () => {
  const { judge, refused, off } = setup()
  const data = cborCodec.encode(1)
  const at = (ms: number) => judge(data, author, sequenceAt(ms))
  assert.deepEqual([at(5_000), at(5_000)], ['accept', 'ignore'])
  assert.deepEqual([at(65_000), at(65_001)], ['accept', 'ignore'])
  assert.deepEqual(refused, ['replay', 'future'])
  assert.deepEqual(off, [60.001])
})

test('a wrong clock is warned of, with how far it is off, once in ten minutes', async () => {
  const { judge, warned, clock, reader } = setup()
  const late = (offMs: number) =>
    judge(cborCodec.encode(1), author, sequenceAt(clock.now() + offMs))
  for (const offMs of [70_000, 80_000, 0]) late(offMs)
  assert.deepEqual(warned, [70_000])
  await clock.advance(600_000)
  for (const offMs of [-90_000, -95_000]) late(offMs)
  assert.deepEqual(warned, [70_000, -90_000])
  assert.equal((await reader.next()).value?.value, 1)
})

test('judge() uses up no number for a message that it refuses', () => {
  const { judge } = setup({ schema: (value) => (value === 1 ? value : assert.fail('no')) })
  assert.equal(judge(cborCodec.encode(2), author, 9n), 'ignore')
  assert.equal(judge(cborCodec.encode(1), author, 9n), 'accept')
})

test('judge() holds the numbers of a topic to its own rule', async () => {
  const { judge, clock, refused } = setup({ replay: 'counted' })
  await clock.advance(3_600_000)
  const data = cborCodec.encode(1)
  assert.deepEqual([judge(data, author, 7n), judge(data, author, 7n)], ['accept', 'ignore'])
  assert.deepEqual(refused, ['replay'])
})

test('judge() opens what is counted, and takes it late only if it was asked for', async () => {
  const { judge, clock, reader, repaired, noted, refused } = setup({
    repair: { keep: 10, bytesMax: 1_000 },
  })
  await clock.advance(3_600_000)
  const counted = { run: 1, count: 3, bytes: cborCodec.encode('late') }
  const data = encodeCounted(counted)
  assert.equal(judge(data), 'ignore')
  repaired.push(counted)
  assert.equal(judge(data), 'accept')
  const { value } = await reader.next()
  assert.deepEqual([value?.value, value?.repaired], ['late', true])
  assert.deepEqual(noted, [counted])
  assert.equal(judge(cborCodec.encode('uncounted')), 'reject')
  assert.deepEqual(refused, ['stale', 'decode'])
})

test('judge() reads what is not counted where the topic has such messages, and ends it there', async () => {
  const bare = { is: (data: Uint8Array) => data[0] === 0x7b, perPeerPerSecond: 2 }
  const codec = {
    encode: (value: unknown) => value as Uint8Array,
    decode: (data: Uint8Array) => data,
  }
  const schema = (value: unknown) => {
    if ((value as Uint8Array).length < 2) throw new TypeError('too short')
    return (value as Uint8Array).length
  }
  const isAuthor = () => assert.fail('whoever published it has said nothing')
  const repair = { keep: 10, bytesMax: 1_000 }
  const { judge, reader, noted, refused, received } = setup({
    repair,
    bare,
    codec,
    schema,
    isAuthor,
  })
  assert.equal(judge(Uint8Array.of(0x7b, 1, 2)), 'ignore')
  assert.equal(received(), 1)
  const { value } = await reader.next()
  assert.deepEqual([value?.value, noted, refused], [3, [], []])
  assert.equal(judge(Uint8Array.of(0x7b)), 'ignore')
  for (let i = 0; i < 9; i += 1) judge(Uint8Array.of(0x7b, 1), author)
  assert.deepEqual([refused[0], refused.at(-1)], ['schema', 'rate'])
  assert.equal(judge(Uint8Array.of(0x7c, 1)), 'reject', 'what is neither is nobody’s form')
})

test('judge() ignores topics that are forgotten by now', () => {
  const { checks } = setup()
  const signed = { author, sequence: 1n, data: cborCodec.encode(1) }
  assert.equal(checks.judge(source, '/p2p-foundation/n/gone', signed), 'ignore')
})

test('the room’s configuration refuses meshes that cannot be', () => {
  for (const wrong of [{ meshPeers: 3 }, { meshPeersMin: 7 }, { meshPeersMax: 5 }]) {
    assert.equal(pubsubConfig.safeParse(wrong).success, false)
  }
})

test('the room’s configuration refuses a window in which forgotten messages are new again', () => {
  const isGood = (config: object) => pubsubConfig.safeParse(config).success
  assert.equal(isGood({ replayWindowMs: 60_001 }), false)
  assert.equal(isGood({ seenTtlMs: 119_999 }), false)
  assert.equal(isGood({ replayWindowMs: 150_000, seenTtlMs: 300_000 }), true)
})

test('a random number of an author does not make its other messages old', () => {
  const { judge, topics } = setup({ replay: 'cache' })
  const data = cborCodec.encode(1)
  for (let i = 0n; i <= 1_024n; i += 1n) assert.equal(judge(data, author, 2n ** 63n + i), 'accept')
  topics.onWire(WIRE)?.readers.clear()
  topics.define('t', { replay: 'counted' })
  assert.equal(judge(data, author, 1n), 'accept')
})
