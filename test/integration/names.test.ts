/** The journey of a name between whole nodes: claimed, found, claimed again, and led to its key. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../src/base/index.ts'
import { coded } from '../support/expect.ts'
import { addressOf, eventually, testNode } from '../support/nodes.ts'

test('a name leads to every peer that claims it, and the peer id to a proven key', async () => {
  await using first = await testNode()
  const bootstrap = { nodes: [addressOf(first, 'udp')] }
  await using alice = await testNode({ bootstrap })
  await using other = await testNode({ bootstrap })
  await using reader = await testNode({ bootstrap })
  const known = () => reader.node.dht.buckets().flatMap(({ peers }) => peers)
  await eventually(async () => known().length > 1 || undefined)

  const { peer, stored } = await alice.node.dht.claimName('alice')
  assert.equal(peer, alice.node.peerId)
  assert.ok(stored.length > 0)
  const claimants = async () => {
    const { claims } = await reader.node.dht.findName('alice')
    return claims.map((one) => one.peer).toSorted()
  }
  assert.deepEqual(await claimants(), [alice.node.peerId])
  assert.equal(await reader.node.connect(alice.node.peerId), alice.node.peerId)

  await other.node.dht.claimName('alice')
  const both = [alice.node.peerId, other.node.peerId].toSorted()
  await eventually(async () => (await claimants()).length === 2 || undefined)
  assert.deepEqual(await claimants(), both)
  assert.deepEqual((await reader.node.dht.findName('nobody')).claims, [])
})

test('nobody claims a name for another peer', async () => {
  await using alone = await testNode()
  await using other = await testNode()
  const key = `/word/alice/${other.node.peerId}`
  await assert.rejects(alone.node.dht.put(key, utf8('x')), coded('DHT_NOT_PUBLISHER'))
  await assert.rejects(alone.node.dht.claimName('Alice'), coded('DHT_KEY_INVALID'))
})
