import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { hasCode } from '../base/index.ts'
import { z } from '../mcp/index.ts'
import type { Codec } from '../pubsub/index.ts'
import { rulesOf } from './topics.ts'

const codec: Codec = { encode: () => new Uint8Array(), decode: () => null }

test('a schema may be a function, or anything with parse', () => {
  const a = rulesOf('a', (value) => String(value), { bytesMax: 10 })
  const b = rulesOf('b', z.object({ n: z.number() }), { perPeerPerSecond: 1, codec })
  assert.deepEqual([a.schema?.(1), a.bytesMax, 'codec' in a], ['1', 10, false])
  assert.deepEqual([b.schema?.({ n: 1 }), b.perPeerPerSecond, b.codec], [{ n: 1 }, 1, codec])
})

test('what does not fit a Zod schema is told in one line, with its place', () => {
  const shape = z.object({ n: z.number(), deep: z.object({ t: z.string() }) })
  const { schema } = rulesOf('a', shape, {})
  assert.throws(
    () => schema?.({ n: 'x', deep: {} }),
    (error) => {
      const { message } = error as Error
      return hasCode(error, 'NODE_VALUE_UNFIT') && /n: .*; deep\.t: [^\n]*$/.test(message)
    },
  )
  const boom = rulesOf('b', { parse: (): never => assert.fail('of its own') }, {})
  assert.throws(() => boom.schema?.(1), /of its own/)
})

test('how repeated and missing messages are treated is part of a topic’s rules', () => {
  const repair = { keep: 10, bytesMax: 1_000 }
  const rules = rulesOf('a', String, { replay: 'counted', repair })
  assert.deepEqual([rules.replay, rules.repair], ['counted', repair])
})

test('the same schema again is the same rule again', () => {
  const schema = z.object({})
  assert.equal(rulesOf('a', schema, {}).schema, rulesOf('a', schema, {}).schema)
})

test('what is no schema is refused with the name of the topic', () => {
  for (const wrong of [null, undefined, 7, 'text', {}, { parse: 1 }]) {
    assert.throws(() => rulesOf('a', wrong as never, {}), coded('NODE_SCHEMA_INVALID'))
  }
})

test('a limit that there is not, and a codec that is none, are refused', () => {
  const rules = (limits: object) => () => rulesOf('a', String, limits)
  assert.throws(rules({ maxBytes: 10 }), coded('NODE_ARGUMENT_INVALID'))
  assert.throws(rules({ codec: {} }), coded('NODE_INJECTED_INVALID'))
  assert.throws(rules({ codec: null }), coded('NODE_INJECTED_INVALID'))
})
