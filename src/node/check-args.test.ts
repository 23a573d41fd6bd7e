import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { checkBytes, checkCall } from './check-args.ts'

const invalid = coded('NODE_ARGUMENT_INVALID')

test('arguments that JSON cannot hold are refused before anybody is asked', () => {
  const loop: Record<string, unknown> = {}
  loop.loop = loop
  for (const wrong of [null, [1], 'text', undefined, { n: 1n }, loop]) {
    assert.throws(() => checkCall(wrong, {}), invalid)
  }
  assert.doesNotThrow(() => checkCall({ a: [1, { b: null }] }, {}))
})

test('a time that is none is refused, and not taken for no time at all', () => {
  for (const timeoutMs of [Number.NaN, 0, -1, Number.POSITIVE_INFINITY, 3_600_001]) {
    assert.throws(() => checkCall({}, { timeoutMs }), invalid)
  }
  for (const timeoutMs of [1, 0.5 + 1, 3_600_000]) {
    assert.doesNotThrow(() => checkCall({}, { timeoutMs }))
  }
})

test('a record is bytes', () => {
  assert.throws(() => checkBytes('text'), invalid)
  assert.doesNotThrow(() => checkBytes(Buffer.from('text')))
})
