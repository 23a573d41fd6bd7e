/** Who a peer says it is: published, found through others, renewed when it changes, and told. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { tool } from '../../src/mcp/index.ts'
import { ipv6EndpointsOf, PEER_IDENTITY_TOPIC, type PeerIdentity } from '../../src/node/index.ts'
import { coded } from '../support/expect.ts'
import { addressOf, eventually, testNode } from '../support/nodes.ts'

test('a node finds the signed identity of a peer that it never met, and what it offers since', async () => {
  await using middle = await testNode()
  await using alice = await testNode({ bootstrap: { nodes: [addressOf(middle, 'tcp')] } })
  await using bob = await testNode({ bootstrap: { nodes: [addressOf(middle, 'tcp')] } })
  const { peerId } = bob.node
  const found = async (having: string) => {
    const { identity } = await alice.node.identityOf(peerId)
    return identity?.capabilities.includes(having) === true ? identity : undefined
  }
  const identity = await eventually(() => found('dht:server'))
  assert.equal(identity.peer, peerId)
  assert.deepEqual([...identity.endpoints].sort(), [...bob.node.addresses].sort())
  assert.deepEqual(ipv6EndpointsOf(identity), [])

  const add = tool('add', { input: z.object({ a: z.number() }) }, async ({ a }) => a + 1)
  await bob.node.expose('calc', [add])
  const later = await eventually(() => found('mcp:tool:add'))
  assert.ok(later.capabilities.includes('mcp:service:calc'))
  assert.ok(later.lastSeenMs > identity.lastSeenMs)
})

test('whoever subscribes hears who comes', async () => {
  await using listener = await testNode()
  await using heard = listener.node.subscribe<PeerIdentity>(PEER_IDENTITY_TOPIC)
  await using comer = await testNode({ bootstrap: { nodes: [addressOf(listener, 'tcp')] } })
  for await (const { value: identity } of heard) {
    if (identity.peer !== comer.node.peerId) continue
    assert.deepEqual([...identity.endpoints].sort(), [...comer.node.addresses].sort())
    return
  }
  assert.fail('the subscription ended')
})

test('a node of the preset "private" has no DHT to find an identity in, and says so', async () => {
  const net = { listen: ['/ip4/127.0.0.1/tcp/0'] }
  const bootstrap = { mdns: false }
  await using alone = await testNode({ preset: 'private', net, bootstrap, control: {} })
  await assert.rejects(alone.node.identityOf(alone.node.peerId), coded('NODE_SECTION_OFF'))
  assert.throws(() => alone.node.dht.buckets(), coded('NODE_SECTION_OFF'))
})
