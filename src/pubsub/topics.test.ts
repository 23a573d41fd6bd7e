import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { cborCodec } from './codec.ts'
import { MESSAGE_BYTES_MAX } from './config.ts'
import { Subscription } from './subscription.ts'
import { TOPICS_MAX, Topics } from './topics.ts'

function setup(network = 'main') {
  const added: string[] = []
  const topics = new Topics(network, { bytesMax: 1_000 }, (wire) => added.push(wire))
  return { topics, added }
}

const reader = () => new Subscription({ queueMax: 1, queueBytesMax: 1, dropped() {}, left() {} })

test('a topic begins with its network on the wire, but not in main', () => {
  assert.equal(setup().topics.use('a/b').wire, 'a/b')
  assert.equal(setup('lab').topics.use('a/b').wire, '/p2p-foundation/lab/a/b')
  assert.equal(setup('lab').topics.use('a/b').name, 'a/b')
})

test('no topic of main has the name on the wire of another network’s topic', () => {
  const { topics } = setup()
  assert.equal(topics.use('lab/t').wire, 'lab/t')
  const { wire } = setup('lab').topics.use('t')
  assert.throws(() => topics.use(wire), coded('PUBSUB_TOPIC_INVALID'))
  const property = fc.property(
    fc.string({ minLength: 1, maxLength: 40 }),
    name,
    (topic, network) => {
      const other = wireOf(setup(network).topics, topic)
      return other === undefined || wireOf(topics, other) === undefined
    },
  )
  fc.assert(property)
})

const name = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,8}$/).filter((text) => text !== 'main')

function wireOf(topics: Topics, topic: string): string | undefined {
  try {
    return topics.use(topic).wire
  } catch {
    return undefined
  }
}

test('use() refuses names that are empty, too long or no plain text', () => {
  const { topics } = setup('lab')
  for (const name of ['', 'a\nb', '\u007f', '\ud800', `${'é'.repeat(118)}a`, 'x'.repeat(1e6)]) {
    assert.throws(() => topics.use(name), coded('PUBSUB_TOPIC_INVALID'))
  }
  assert.equal(Buffer.byteLength(topics.use('é'.repeat(118)).wire), 256)
})

test('a topic that nobody defined has the default rules', () => {
  const { rules } = setup().topics.use('a')
  assert.equal(rules.bytesMax, 1_000)
  assert.equal(rules.codec, cborCodec)
  assert.deepEqual(rules.schema({ any: 'thing' }), { any: 'thing' })
})

test('define() replaces only what is said', () => {
  const { topics } = setup()
  topics.use('a').readers.add(reader())
  topics.define('a', { bytesMax: 10, codec: undefined } as object)
  assert.equal(topics.use('a').rules.bytesMax, 10)
  assert.equal(topics.use('a').rules.codec, cborCodec)
})

test('define() refuses other rules than those somebody reads under, and takes the same again', () => {
  const { topics } = setup()
  const schema = (value: unknown) => value
  topics.define('a', { schema })
  const { readers } = topics.use('a')
  const one = reader()
  readers.add(one)
  topics.define('a', { schema })
  for (const other of [{}, { schema: (value: unknown) => value }, { schema, bytesMax: 5 }]) {
    assert.throws(() => topics.define('a', other), coded('PUBSUB_TOPIC_IN_USE'))
  }
  readers.delete(one)
  topics.define('a', { bytesMax: 5 })
  assert.equal(topics.use('a').rules.bytesMax, 5)
  assert.notEqual(topics.use('a').rules.schema, schema, 'rules are replaced as a whole')
})

test('define() refuses limits that are none', () => {
  const { topics } = setup()
  const sizes = [0, -1, 1.5, Number.NaN, MESSAGE_BYTES_MAX + 1]
  const rates = [0, 0.05, -1, Number.NaN, Number.POSITIVE_INFINITY]
  for (const rules of [
    ...sizes.map((bytesMax) => ({ bytesMax })),
    ...rates.map((perPeerPerSecond) => ({ perPeerPerSecond })),
  ]) {
    assert.throws(() => topics.define('a', rules), coded('PUBSUB_RULES_INVALID'))
  }
  assert.equal(topics.onWire('a'), undefined, 'a refused topic is not known')
})

test('define() refuses a way with repeated or missing messages that there is not', () => {
  const { topics } = setup()
  const wrong = [
    { replay: 'never' },
    { replay: '' },
    { repair: null },
    { repair: {} },
    { repair: { keep: 1_001, bytesMax: 1 } },
    { repair: { keep: 1, bytesMax: 0 } },
    { repair: { keep: 1.5, bytesMax: 1 } },
  ]
  for (const rules of wrong) {
    assert.throws(() => topics.define('a', rules as never), coded('PUBSUB_RULES_INVALID'))
  }
  assert.equal(topics.use('a').rules.replay, 'strict')
  topics.define('a', { replay: 'cache', repair: { keep: 1_000, bytesMax: 1 } })
  topics.use('a').readers.add(reader())
  topics.define('a', { replay: 'cache', repair: { keep: 1_000, bytesMax: 1 } })
  for (const rules of [{}, { replay: 'cache' } as const]) {
    assert.throws(() => topics.define('a', rules), coded('PUBSUB_TOPIC_IN_USE'))
  }
})

test('a topic is added once, and known when that is said', () => {
  const known: (string | undefined)[] = []
  const topics: Topics = new Topics('lab', { bytesMax: 1 }, (wire) =>
    known.push(topics.onWire(wire)?.name),
  )
  topics.define('a', {})
  topics.use('a')
  assert.deepEqual(known, ['a'])
})

test('a full table forgets the topic unused longest that is neither defined nor read', () => {
  const { topics } = setup()
  topics.define('defined', {})
  topics.use('read').readers.add(reader())
  for (let i = 2; i < TOPICS_MAX; i += 1) topics.use(`used ${i}`)
  topics.use('used 2')
  topics.use('one more')
  assert.equal(topics.all().length, TOPICS_MAX)
  assert.equal(topics.onWire('used 3'), undefined)
  for (const kept of ['defined', 'read', 'used 2', 'one more']) assert.ok(topics.onWire(kept), kept)
})

test('a table full of defined topics takes no more', () => {
  const { topics } = setup()
  for (let i = 0; i < TOPICS_MAX; i += 1) topics.define(`${i}`, {})
  assert.throws(() => topics.use('one more'), coded('PUBSUB_TOPICS_EXHAUSTED'))
  topics.define('0', { bytesMax: 1 })
})
