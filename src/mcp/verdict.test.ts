import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testPeer } from '../../test/support/mcp-directory.ts'
import { BaseError, defineErrors } from '../base/index.ts'
import { McpError } from './errors.ts'
import { codeOf, judge } from './verdict.ts'

const peer = testPeer(1)
const NetLike = defineErrors('NET', { DIAL_FAILED: { says: () => 'no way' } })
const AccessLike = defineErrors('ACCESS', { QUOTA: { says: () => 'too much' } })

function refused(code: string) {
  return McpError.PEER_REFUSED({ peer, tool: 't', code, message: 'no' })
}

test('what was never sent can be tried elsewhere', () => {
  assert.equal(judge(McpError.PEER_FAILED({ peer, tool: 't', sent: false, reason: '' })), 'unsent')
  assert.equal(judge(NetLike.DIAL_FAILED({})), 'unsent')
  assert.equal(judge(AccessLike.QUOTA({})), 'unsent')
  assert.equal(judge(refused('ACCESS_QUOTA')), 'unsent')
  assert.equal(judge(refused('MCP_SERVICE_UNKNOWN')), 'unsent')
  assert.equal(judge(McpError.SERVICE_NOT_READY({ service: 's', state: '', reason: '' })), 'unsent')
})

test('what may have run is silent, also when it is not known at all', () => {
  assert.equal(judge(McpError.PEER_FAILED({ peer, tool: 't', sent: true, reason: '' })), 'silent')
  assert.equal(judge(refused('MCP_REQUEST_TIMEOUT')), 'silent')
  assert.equal(judge(refused('MCP_SERVICE_ENDED')), 'silent')
  assert.equal(judge(refused('NONSENSE_OF_A_STRANGER')), 'silent')
  assert.equal(judge(BaseError.DEADLINE({ afterMs: 1 })), 'silent')
  assert.equal(judge(new TypeError('?')), 'silent')
})

test('an answer is final', () => {
  assert.equal(judge(McpError.TOOL_ERROR({ tool: 't', rpcCode: -32_602, message: '' })), 'final')
  assert.equal(judge(refused('MCP_RESULT_TOO_LARGE')), 'final')
})

test('codeOf() names the reason that a peer gave', () => {
  assert.equal(codeOf(refused('ACCESS_DENIED')), 'ACCESS_DENIED')
  assert.equal(codeOf(BaseError.DEADLINE({ afterMs: 1 })), 'BASE_DEADLINE')
  assert.equal(codeOf('?'), 'MCP_INTERNAL')
})
