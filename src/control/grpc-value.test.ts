import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { isMachineryKey } from '../wire/index.ts'
import { jsonOf, objectOf, type ProtoValue, protoValue } from './grpc-value.ts'

/** What JSON text comes to; `-0` is written `0`. */
const json = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown

function hasMachinery(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, each]) => isMachineryKey(name) || hasMachinery(each))
}

test('any JSON comes back from a message as it went in', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
      fc.pre(!hasMachinery(value))
      assert.deepEqual(json(jsonOf(protoValue(value), 'args')), json(value))
    }),
  )
})

test('fields without a value are left out, numbers that JSON lacks are null', () => {
  assert.deepEqual(jsonOf(protoValue({ a: undefined, b: Number.NaN }), 'x'), { b: null })
  assert.deepEqual(jsonOf(protoValue(undefined), 'x'), null)
})

test('a message too deep, with names of machinery, or no number is refused', () => {
  let deep: ProtoValue = { boolValue: true }
  for (let i = 0; i < 65; i += 1) deep = { listValue: { values: [deep] } }
  const fields = Object.fromEntries([['__proto__', { boolValue: true }]])
  const refused = coded('CONTROL_REQUEST_INVALID')
  assert.throws(() => jsonOf(deep, 'args'), refused)
  assert.throws(() => objectOf({ fields }, 'args'), refused)
  assert.throws(() => jsonOf({ numberValue: Number.POSITIVE_INFINITY }, 'args'), refused)
  assert.deepEqual(jsonOf({ structValue: {} }, 'args'), {})
  assert.deepEqual(jsonOf({ listValue: {} }, 'args'), [])
})
