import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { utf8 } from '../base/index.ts'
import { hasWork, solveWork, WORK_BITS_MAX } from './work.ts'

test('hasWork() holds for what solveWork() found, and counts bits as written', async () => {
  const sample = fc.record({ bytes: fc.uint8Array({ maxLength: 100 }), bits: fc.nat(10) })
  await fc.assert(
    fc.asyncProperty(sample, async ({ bytes, bits }) => {
      const nonce = await solveWork(bytes, bits)
      assert.equal(hasWork(bytes, nonce, bits), true)
      const tail = Buffer.alloc(8)
      tail.writeBigUInt64BE(BigInt(nonce))
      const digest = createHash('sha256').update(bytes).update(tail).digest('hex')
      const zeros = BigInt(`0x1${digest}`).toString(2).slice(1).indexOf('1')
      assert.ok(zeros >= bits)
      assert.equal(hasWork(bytes, nonce, Math.min(zeros + 1, WORK_BITS_MAX)), false)
    }),
    { numRuns: 30 },
  )
})

test('solveWork() finds the first nonce, which is the same everywhere', async () => {
  const bytes = utf8('p2p-foundation')
  const nonce = await solveWork(bytes, 12)
  assert.equal(nonce, NONCE_OF_12_BITS)
  for (let i = 0; i < nonce; i += 1) assert.equal(hasWork(bytes, i, 12), false)
})

test('hasWork() refuses the work done for other bytes', async () => {
  const nonce = await solveWork(utf8('mine'), 16)
  assert.equal(hasWork(utf8('mine'), nonce, 16), true)
  assert.equal(hasWork(utf8('yours'), nonce, 16), false)
})

test('hasWork() says no to numbers that are no nonce', () => {
  for (const nonce of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    assert.equal(hasWork(utf8('x'), nonce, 0), false)
  }
})

test('work beyond the limit is neither asked for nor done', async () => {
  for (const bits of [-1, 25, 1.5, Number.NaN]) {
    assert.throws(() => hasWork(utf8('x'), 0, bits), coded('ACCESS_WORK_BITS'))
    await assert.rejects(solveWork(utf8('x'), bits), coded('ACCESS_WORK_BITS'))
  }
})

test('solveWork() lets others run, and stops when asked', async () => {
  const stop = new AbortController()
  const reason = new TypeError('enough')
  setImmediate(() => stop.abort(reason))
  const begun = solveWork(utf8('x'), WORK_BITS_MAX, { signal: stop.signal })
  await assert.rejects(begun, (error) => error === reason)
})

/** Found by an independent program (Python's hashlib). */
const NONCE_OF_12_BITS = 3_674
