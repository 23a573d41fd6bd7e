/** Whole nodes on loopback that ask each other by datagram, and what still goes over streams. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeOptions } from '../../src/node/index.ts'
import { addressOf, eventually, type TestNode, testNode } from '../support/nodes.ts'

const dht = { enabled: true, workBits: 0 }

/** Questions that a node got answered as datagrams. */
const answered = ({ node }: TestNode) =>
  node.registry.total('p2p_dht_datagrams', { direction: 'out', outcome: 'answered' })

async function join(first: TestNode, options: NodeOptions = {}): Promise<TestNode> {
  const made = await testNode({ dht, ...options })
  await made.node.connect(addressOf(first, 'tcp'))
  return made
}

/** Stores `value` from one node and reads it at another, once they have found each other. */
async function overNet(from: TestNode, to: TestNode, value: Uint8Array) {
  const key = `/data/${from.node.peerId}/x`
  const report = await eventually(async () => {
    const put = await from.node.dht.put(key, value)
    return put.stored.length >= 3 ? put : undefined
  })
  assert.deepEqual(report.failed, [])
  const found = await to.node.dht.get(key)
  assert.deepEqual(Uint8Array.from(found.value ?? []), value)
}

test('nodes that met over one connection ask each other by datagram', async () => {
  await using first = await testNode({ dht })
  await using a = await join(first)
  await using b = await join(first)
  await overNet(a, b, new Uint8Array(100).fill(1))
  assert.ok((await answered(a)) > 0)
  assert.ok((await answered(b)) > 0)
  // They were never connected: what they know of each other came by datagram.
  assert.deepEqual(
    (await a.node.peers()).map(({ peer }) => peer),
    [first.node.peerId],
  )
})

test('a value that fits no datagram goes over streams, to peers met by datagram too', async () => {
  await using first = await testNode({ dht })
  await using a = await join(first)
  await using b = await join(first)
  await overNet(a, b, new Uint8Array(8_000).fill(2))
  assert.ok((await answered(a)) > 0)
})

test('a node without datagrams takes part over streams', async () => {
  await using first = await testNode({ dht })
  await using a = await join(first, { dht: { ...dht, datagrams: false } })
  await using b = await join(first)
  await overNet(a, b, new Uint8Array(100).fill(3))
  assert.equal(await answered(a), 0)
})
