import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { hasCode } from '../base/index.ts'
import { z } from '../mcp/index.ts'
import type { Codec, TopicRules } from '../pubsub/index.ts'
import { Topics, type TopicsDeps } from './topics.ts'

const codec: Codec = { encode: () => new Uint8Array(), decode: () => null }

function setup(given?: Codec) {
  const defined: [string, TopicRules<unknown>][] = []
  const used: string[] = []
  const pubsub = {
    topic: (name: string, rules: TopicRules<unknown>) => void defined.push([name, rules]),
    publish: async (topic: string) => {
      used.push(topic)
      return { topic, peers: 0, state: 'nobody-listens' as const }
    },
    subscribe: (topic: string) => void used.push(topic),
  }
  const topics = new Topics({ pubsub: pubsub as unknown as TopicsDeps['pubsub'], codec: given })
  return { topics, defined, used }
}

test('a schema may be a function, or anything with parse', () => {
  const { topics, defined } = setup()
  topics.define('a', (value) => String(value), { bytesMax: 10 })
  topics.define('b', z.object({ n: z.number() }), { perPeerPerSecond: 1 })
  const [[, a], [, b]] = defined as [(typeof defined)[0], (typeof defined)[0]]
  assert.deepEqual([a.schema?.(1), a.bytesMax, a.codec], ['1', 10, undefined])
  assert.deepEqual([b.schema?.({ n: 1 }), b.perPeerPerSecond], [{ n: 1 }, 1])
})

test('what does not fit a Zod schema is told in one line, with its place', () => {
  const { topics, defined } = setup()
  topics.define('a', z.object({ n: z.number(), deep: z.object({ t: z.string() }) }), {})
  const schema = defined[0]?.[1].schema
  assert.throws(
    () => schema?.({ n: 'x', deep: {} }),
    (error) => {
      const { message } = error as Error
      return hasCode(error, 'NODE_VALUE_UNFIT') && /n: .*; deep\.t: [^\n]*$/.test(message)
    },
  )
  const boom = { parse: (): never => assert.fail('of its own') }
  topics.define('b', boom, {})
  assert.throws(() => defined[1]?.[1].schema?.(1), /of its own/)
})

test('the same schema again is the same rule again', () => {
  const { topics, defined } = setup()
  const schema = z.object({})
  topics.define('a', schema, {})
  topics.define('a', schema, {})
  assert.equal(defined[0]?.[1].schema, defined[1]?.[1].schema)
})

test('what is no schema is refused with the name of the topic', () => {
  const { topics } = setup()
  for (const wrong of [null, undefined, 7, 'text', {}, { parse: 1 }]) {
    const define = () => topics.define('a', wrong as never, {})
    assert.throws(define, coded('NODE_SCHEMA_INVALID'))
  }
})

test('the codec of the node is that of every topic without one, also of undefined ones', async () => {
  const { topics, defined, used } = setup(codec)
  const own: Codec = { ...codec }
  topics.define('a', String, {})
  topics.define('b', String, { codec: own })
  await topics.publish('c', 1, {})
  topics.subscribe('c', {})
  await topics.publish('a', 1, {})
  assert.deepEqual(
    defined.map(([name, rules]) => [name, rules.codec === codec]),
    [
      ['a', true],
      ['b', false],
      ['c', true],
    ],
  )
  assert.deepEqual(used, ['c', 'c', 'a'])
  const plain = setup()
  await plain.topics.publish('c', 1, {})
  assert.deepEqual(plain.defined, [])
})
