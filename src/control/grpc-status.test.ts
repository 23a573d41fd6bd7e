import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { defineErrors, silentLog } from '../base/index.ts'
import { ControlError } from './errors.ts'
import { codedOf, grpcErrorOf, grpcStatusOf } from './grpc-status.ts'

const says = () => 'Cannot do it: no'
const TestError = defineErrors('TEST', {
  NOT_FOUND: { says },
  SERVICE_EXISTS: { says },
  UNREACHABLE: { says, retryable: true },
  OUTCOME_UNKNOWN: { says },
  QUOTA: { says, retryable: true },
  STOPPED: { says },
  DEADLINE: { says },
  LARGE: { says: (_: { readonly text: string }) => 'x'.repeat(5_000) },
})

test('each error has the status that its clients act on', () => {
  for (const [error, wanted] of [
    [TestError.NOT_FOUND({}), status.NOT_FOUND],
    [TestError.SERVICE_EXISTS({}), status.FAILED_PRECONDITION],
    [TestError.UNREACHABLE({}), status.UNAVAILABLE],
    // Repeating it may do it twice, so it is not what clients repeat by themselves.
    [TestError.OUTCOME_UNKNOWN({}), status.UNKNOWN],
    [TestError.QUOTA({}), status.RESOURCE_EXHAUSTED],
    [TestError.STOPPED({}), status.FAILED_PRECONDITION],
    [TestError.DEADLINE({}), status.DEADLINE_EXCEEDED],
    [ControlError.CALLER_GONE({}), status.CANCELLED],
    [ControlError.TOKEN_MISSING({ path: '/' }), status.UNAUTHENTICATED],
    [ControlError.INTERNAL({ correlationId: 'x' }), status.INTERNAL],
  ] as const) {
    assert.equal(grpcStatusOf(error), wanted, error.code)
  }
})

test('our code goes along, facts where they are short, and no more than a header holds', () => {
  const small = grpcErrorOf(TestError.UNREACHABLE({ peer: 'p' }))
  assert.deepEqual(small.metadata.get('p2p-error-code'), ['TEST_UNREACHABLE'])
  assert.deepEqual(small.metadata.get('p2p-error-retryable'), ['true'])
  assert.deepEqual(small.metadata.get('p2p-error-facts-bin'), [Buffer.from('{"peer":"p"}')])
  const large = grpcErrorOf(TestError.LARGE({ text: 'y'.repeat(5_000) }))
  assert.equal(large.details.length, 1_024)
  assert.deepEqual(large.metadata.get('p2p-error-facts-bin'), [])
})

test('what nobody foresaw is told by a number and written to the log', () => {
  const logged: unknown[] = []
  const log = { ...silentLog, error: (...args: unknown[]) => void logged.push(args) }
  const error = codedOf(new TypeError('secret'), { method: '/a/B', correlationId: 'id' }, log)
  assert.equal(error.code, 'CONTROL_INTERNAL')
  assert.doesNotMatch(error.message, /secret/)
  assert.equal(logged.length, 1)
})
