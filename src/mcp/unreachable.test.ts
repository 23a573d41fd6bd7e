import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AccessError } from '../access/index.ts'
import { seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { NetError } from '../net/errors.ts'
import { McpError } from './errors.ts'
import { isUnreachable } from './unreachable.ts'

const { peer } = generateKeys(seededRandom('x')).signer
const failed = (sent: boolean, cause: unknown) =>
  McpError.PEER_FAILED({ peer, tool: 't', sent, reason: '' }, cause)
const noPath = NetError.CONNECT_FAILED({ target: peer, tried: [] })
const denied = AccessError.DENIED({ peer, action: 'connect', missing: '' })

test('no path is no path, however deep; what was sent or is forbidden is something else', () => {
  assert.equal(isUnreachable(noPath), true)
  assert.equal(isUnreachable(failed(false, noPath)), true)
  assert.equal(isUnreachable(failed(true, noPath)), false)
  assert.equal(isUnreachable(NetError.CONNECT_FAILED({ target: peer, tried: [] }, denied)), false)
  assert.equal(isUnreachable(NetError.PROTOCOL_UNSUPPORTED({ peer, protocol: 'x' })), false)
  assert.equal(isUnreachable(new TypeError('x')), false)
})
