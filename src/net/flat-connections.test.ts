/** That the list of connections is the same, however it is put together. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { withFlatConnections } from './flat-connections.ts'

const [a, b, c] = ['a', 'b', 'c'].map((id) => ({ id }) as Connection)
const map = new Map<string, Connection[]>([
  ['one', [a, b] as Connection[]],
  ['two', [c] as Connection[]],
])

function setup() {
  const connectionManager = {
    getConnections(peer?: string): Connection[] {
      return peer === undefined
        ? assert.fail('all were asked of the library')
        : (map.get(peer) ?? [])
    },
    getConnectionsMap: () => map,
  }
  withFlatConnections({ components: { connectionManager } })
  return connectionManager
}

test('getConnections() lists those of all peers, in their order', () => {
  assert.deepEqual(setup().getConnections(), [a, b, c])
})

test('getConnections() hands out a list of its own, which callers may change', () => {
  const manager = setup()
  manager.getConnections().pop()
  assert.equal(manager.getConnections().length, 3)
  assert.equal(map.get('two')?.length, 1)
})

test('getConnections() of one peer is still the library’s own', () => {
  assert.deepEqual(setup().getConnections('one'), [a, b])
})
