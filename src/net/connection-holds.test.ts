/** What waits on a connection before any stream has it counts as its memory. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peerId } from '../identity/index.ts'
import { netConfig } from './config.ts'
import { CONNECTION_BYTES, ConnectionAccount } from './resource-accounts.ts'
import { ResourceManager } from './resource-manager.ts'

const A = peerId('12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg')
const MIB = 1_024 * 1_024

test('bytes of no stream are held in the connection, the peer and the node, and given back', () => {
  const manager = new ResourceManager(netConfig.parse({}), {})
  const seat = { host: '9.0.0.1/32', idleSinceMs: () => undefined, cut: () => undefined }
  const account = manager.openConnection('inbound', seat)
  assert.ok(account instanceof ConnectionAccount)
  assert.equal(manager.prove(account, A), undefined)
  assert.equal(account.hold(4 * MIB), undefined)
  assert.equal(account.scope.used('memoryBytes'), 4 * MIB)
  assert.equal(manager.peer(A).used('memoryBytes'), 4 * MIB + CONNECTION_BYTES)
  const shortage = account.hold(17 * MIB)
  assert.deepEqual([shortage?.scope, shortage?.resource], ['connection', 'memoryBytes'])
  assert.equal(account.scope.used('memoryBytes'), 4 * MIB, 'too much changes nothing')
  account.close()
  assert.equal(manager.system.used('memoryBytes'), 0)
})
