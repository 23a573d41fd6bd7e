import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { hasCode } from '../base/index.ts'
import { type Json, parseJson } from './json.ts'

const LIMITS = { bytesMax: 1_024 * 1_024 }
const parse = (text: string, limits = {}) => parseJson(text, 'test', { ...LIMITS, ...limits })

/** Levels and values of what `JSON.parse` made: what the pass over the text must agree with. */
function shapeOf(value: Json): { depth: number; values: number } {
  if (typeof value !== 'object' || value === null) return { depth: 0, values: 1 }
  const inner = Object.values(value).map(shapeOf)
  return {
    depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
    values: 1 + inner.reduce((sum, { values }) => sum + values, 0),
  }
}

const json = fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }) as fc.Arbitrary<Json>
const plain = json.filter(
  (value) => !/"(?:__proto__|constructor|prototype)":/.test(JSON.stringify(value)),
)

test('parseJson() reads what JSON.stringify wrote, however it is spaced', () => {
  fc.assert(
    fc.property(plain, fc.constantFrom(undefined, 1, '\t'), (value, space) => {
      const text = JSON.stringify(value, undefined, space)
      assert.deepEqual(parse(text), JSON.parse(text))
    }),
  )
})

test('parseJson() counts levels and values exactly', () => {
  fc.assert(
    fc.property(plain, fc.constantFrom(undefined, 2), (value, space) => {
      const text = JSON.stringify(value, undefined, space)
      const { depth, values } = shapeOf(JSON.parse(text) as Json)
      parse(text, { depthMax: depth, valuesMax: values })
      assert.throws(() => parse(text, { valuesMax: values - 1 }), coded('WIRE_MALFORMED'))
      if (depth > 0) {
        assert.throws(() => parse(text, { depthMax: depth - 1 }), coded('WIRE_MALFORMED'))
      }
    }),
  )
})

test('parseJson() refuses a bomb of brackets before it is parsed', () => {
  assert.throws(() => parse('['.repeat(500_000)), coded('WIRE_MALFORMED'))
  assert.throws(() => parse('[[],'.repeat(100_000), { depthMax: 1e9, valuesMax: 10 }), /10 values/)
})

test('parseJson() refuses ten megabytes of brackets in the time of reading their first levels', () => {
  const limits = { bytesMax: 10 << 20 }
  for (const mark of ['[', '{"a":', '[{"a":[']) {
    const text = mark.repeat((10 << 20) / mark.length)
    const started = performance.now()
    assert.throws(() => parse(text, limits), coded('WIRE_MALFORMED'))
    assert.ok(performance.now() - started < 1_000)
  }
})

test('parseJson() reads what JSON leaves open in one way, which is what is then passed on', () => {
  // Of two keys the last; what was read is written anew wherever a right depends on it.
  assert.deepEqual(parse('{"a":1,"a":2}'), { a: 2 })
  assert.deepEqual(parse('{"a":1,"\\u0061":2}'), { a: 2 })
  // No number is out of range unseen: what is too large is above every limit.
  assert.deepEqual(parse('[1e400,-1e400]'), [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
  assert.deepEqual(parse('["\\ud800","a\\u0000b"]'), ['\ud800', 'a\u0000b'])
  for (const text of [
    '["\u0000"]',
    '[NaN]',
    '[0x1]',
    '[01]',
    '\ufeff[]',
    '[1,]',
    "['a']",
    '[] []',
  ]) {
    assert.throws(() => parse(text), coded('WIRE_MALFORMED'), JSON.stringify(text))
  }
})

test('parseJson() takes brackets, commas and escaped quotes inside a text for text', () => {
  for (const text of ['[[[[,,,,', '\\', '\\\\"', '"', '{"a":"\\', ']}']) {
    assert.deepEqual(parse(JSON.stringify([text]), { depthMax: 1, valuesMax: 2 }), [text])
  }
})

test('parseJson() refuses keys that name the machinery of an object, escaped or not', () => {
  for (const key of ['__proto__', 'constructor', 'prototype', '__prot\\u006f__']) {
    assert.throws(() => parse(`[{"a":{"${key}":1}}]`), coded('WIRE_MALFORMED'))
  }
  assert.deepEqual(parse('{"to":"constructor"}'), { to: 'constructor' })
})

test('parseJson() refuses a text above the limit, whatever it says', () => {
  assert.throws(() => parse('  1', { bytesMax: 2 }), coded('WIRE_TOO_LONG'))
})

test('parseJson() takes a list of many values without running out of stack', () => {
  const text = `[${'1,'.repeat(400_000)}1]`
  assert.equal((parse(text) as unknown[]).length, 400_001)
})

test('parseJson() fails with a code or agrees with JSON.parse, for any text', () => {
  const piece = fc.constantFrom('[', ']', '{', '}', ',', ':', '"', '\\', ' ', '1', 'a', 'null')
  const text = fc.oneof(
    fc.string(),
    fc.array(piece).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(text, (given) => {
      try {
        assert.deepEqual(parse(given), JSON.parse(given))
      } catch (error) {
        assert.ok(hasCode(error, 'WIRE_MALFORMED'))
      }
    }),
    { numRuns: 2_000 },
  )
})

test('parseJson() takes time in proportion to a long text', () => {
  const started = performance.now()
  parseJson(JSON.stringify({ a: 'x\n"'.repeat(2 << 20) }), 'test', { bytesMax: 16 << 20 })
  assert.ok(performance.now() - started < 2_000)
})
