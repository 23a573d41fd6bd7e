import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { assert as must, unreachable } from './assert.ts'
import { defineErrors, hasCode, isRetryable } from './errors.ts'

const SampleError = defineErrors('SAMPLE', {
  FULL: {
    says: (f: { found: number; limit: number }) => `Cannot add: found ${f.found} of ${f.limit}`,
    retryable: true,
  },
  WRONG: { says: (f: { what: string }) => `Cannot use "${f.what}"` },
})

test('an error carries its code, its facts, its sentence and its verdict', () => {
  const cause = new TypeError('below')
  const error = SampleError.FULL({ found: 3, limit: 2 }, cause)
  assert.equal(error.code, 'SAMPLE_FULL')
  assert.deepEqual(error.facts, { found: 3, limit: 2 })
  assert.equal(error.message, 'Cannot add: found 3 of 2')
  assert.equal(error.retryable, true)
  assert.equal(error.cause, cause)
  assert.equal(error.name, 'CodedError')
  assert.ok(error instanceof Error)
})

test('an error without a cause has none, and is final unless its row says otherwise', () => {
  const error = SampleError.WRONG({ what: 'it' })
  assert.equal('cause' in error, false)
  assert.equal(isRetryable(error), false)
  assert.equal(isRetryable(SampleError.FULL({ found: 1, limit: 1 })), true)
})

test('the table cannot be changed by whoever imports it', () => {
  assert.throws(() => Object.assign(SampleError, { WRONG: null }), TypeError)
})

test('hasCode() knows codes from any copy of this module, and nothing that is no error', () => {
  const foreign = Object.assign(new TypeError('x'), { code: 'SAMPLE_WRONG' })
  assert.equal(hasCode(foreign, 'SAMPLE_FULL', 'SAMPLE_WRONG'), true)
  assert.equal(hasCode(foreign, 'SAMPLE_FULL'), false)
  for (const none of [undefined, null, 'SAMPLE_WRONG', { code: 'SAMPLE_WRONG' }, new TypeError()]) {
    assert.equal(hasCode(none, 'SAMPLE_WRONG'), false)
  }
})

test('isRetryable() says no to whatever it does not know', () => {
  for (const none of [undefined, new TypeError(), { retryable: true }, 'x']) {
    assert.equal(isRetryable(none), false)
  }
})

test('assert() and unreachable() say which invariant broke', () => {
  must(true, 'holds')
  assert.throws(() => must(false, 'two is one'), /"two is one" does not hold/)
  assert.throws(() => unreachable('case' as never), coded('BASE_BUG'))
})
