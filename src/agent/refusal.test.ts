import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CodedError } from '../base/index.ts'
import { AgentError } from './errors.ts'
import { isHopeless, reasonOf, verdictOf } from './refusal.ts'

function coded(code: string, { remote = true, retryable = false } = {}) {
  return new CodedError(code, { remote }, { says: () => 'Cannot: no', retryable })
}

test('what the recipient says decides; what somebody else says does not', () => {
  assert.equal(verdictOf(coded('AGENT_SENDER_REFUSED')), 'refused')
  assert.equal(verdictOf(coded('ACCESS_DENIED')), 'refused')
  assert.equal(verdictOf(coded('AGENT_INBOX_FULL', { retryable: true })), 'later')
  assert.equal(verdictOf(coded('ACCESS_QUOTA', { retryable: true })), 'later')
  assert.equal(verdictOf(coded('AGENT_PRE_KEY_GONE')), 'reseal')
  assert.equal(verdictOf(coded('AGENT_OTHER_RECIPIENT')), 'reseal')
  assert.equal(verdictOf(coded('RPC_METHOD_UNKNOWN')), 'moved')
  assert.equal(verdictOf(coded('AGENT_SENDER_REFUSED', { remote: false })), 'elsewhere')
  assert.equal(verdictOf(new TypeError('no')), 'elsewhere')
})

test('only an error of ours that no retry mends makes a message hopeless', () => {
  assert.equal(isHopeless(coded('AGENT_TOO_LARGE')), true)
  assert.equal(isHopeless(coded('AGENT_RECIPIENT_UNKNOWN', { retryable: true })), false)
  const facts = { address: '0x', answered: 0, failed: 0 }
  assert.equal(isHopeless(AgentError.RECORD_UNCERTAIN(facts)), false)
  assert.equal(isHopeless(coded('NET_DIAL_FAILED')), false)
  assert.equal(isHopeless(coded('AGENT_PRE_KEY_INVALID')), false)
  assert.equal(isHopeless('no'), false)
})

test('a reason is short', () => {
  assert.equal(reasonOf(new TypeError('x'.repeat(2_000))).length, 512)
  assert.equal(reasonOf('why'), 'why')
})
