import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CodedError } from '../base/index.ts'
import { errorBody, statusOf } from './error-reply.ts'

const error = (code: string, retryable = false) => {
  return new CodedError(code, {}, { says: () => 'Cannot', retryable })
}

test('statusOf() fits the code of any room', () => {
  const expected: Record<string, number> = {
    CONTROL_HOST_REFUSED: 403,
    CONTROL_TOKEN_INVALID: 401,
    CONTROL_BODY_TOO_LARGE: 413,
    ACCESS_QUOTA: 429,
    ACCESS_DENIED: 403,
    BASE_BUSY: 503,
    BASE_DEADLINE: 504,
    BASE_BUG: 500,
    NODE_NOT_BUILT_YET: 501,
    MCP_TOOL_NOT_FOUND: 404,
    MCP_OUTCOME_UNKNOWN: 502,
    MCP_SERVICE_UNKNOWN: 404,
    MCP_TOOL_AMBIGUOUS: 409,
    MCP_BUSY: 503,
    DHT_PUBLISHER_QUOTA: 429,
    DHT_NAMESPACE_UNKNOWN: 400,
    NODE_SECTION_OFF: 409,
    NODE_OFFER_INVALID: 400,
    NODE_ARGUMENT_INVALID: 400,
    NODE_VALUE_UNFIT: 400,
    PUBSUB_TOPIC_IN_USE: 409,
    NET_PEER_UNREACHABLE: 502,
    NET_ADDRESS_INVALID: 400,
    DHT_STOPPED: 503,
    NODE_DISK_FULL: 507,
    MCP_SERVICES_NOT_KEPT: 507,
    MCP_SERVICES_FULL: 409,
    MCP_TOOL_ERROR: 502,
    NET_CHANNEL_CLOSED: 502,
    X_STRANGE: 500,
  }
  for (const [code, status] of Object.entries(expected)) {
    assert.equal(statusOf(error(code)), status, code)
  }
  assert.equal(statusOf(error('X_STRANGE', true)), 503)
  const says = () => 'Cannot'
  const dial = (tried: unknown) => new CodedError('NET_CONNECT_FAILED', { tried }, { says })
  assert.equal(statusOf(dial([])), 404)
  assert.equal(statusOf(dial([{ address: 'x', reason: 'y' }])), 502)
})

test('errorBody() writes facts that JSON has no word for', () => {
  const loop: Record<string, unknown> = {}
  loop.loop = loop
  const withFacts = (facts: unknown) => {
    return errorBody(new CodedError('X', facts, { says: () => 'Cannot' })).error.facts
  }
  assert.deepEqual(withFacts({ big: 1n, bytes: Uint8Array.of(255) }), { big: '1', bytes: 'ff' })
  assert.equal(withFacts(undefined), null)
  assert.equal(withFacts(loop), null)
})
