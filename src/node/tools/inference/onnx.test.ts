import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../../../test/support/expect.ts'
import { fromOnnx } from './onnx.ts'

test('a tensor that JSON can hold comes out as it is', () => {
  const data = Float32Array.of(1.5, -2)
  assert.deepEqual(fromOnnx('b', { type: 'float32', dims: [2], data }), {
    type: 'float32',
    dims: [2],
    data: [1.5, -2],
  })
  const large = { type: 'int64', dims: [1], data: BigInt64Array.of(2n ** 53n - 1n) }
  assert.deepEqual(fromOnnx('b', large).data, [Number.MAX_SAFE_INTEGER])
})

test('what JSON cannot hold is a failure, and not another number', () => {
  const failed = coded('NODE_INFERENCE_FAILED')
  for (const data of [Float32Array.of(Number.NaN), Float32Array.of(Number.POSITIVE_INFINITY)]) {
    assert.throws(() => fromOnnx('b', { type: 'float32', dims: [1], data }), failed)
  }
  const data = BigInt64Array.of(2n ** 53n + 1n)
  assert.throws(() => fromOnnx('b', { type: 'int64', dims: [1], data }), failed)
  assert.throws(() => fromOnnx('b', { type: 'string', dims: [0], data: [] }), failed)
})
