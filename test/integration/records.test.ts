/** The journey of a record between whole nodes: signed, placed, read, replaced, refused. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../src/base/index.ts'
import { coded } from '../support/expect.ts'
import { addressOf, eventually, testNode } from '../support/nodes.ts'

test('a record is read by a node that did not write it, and its newest version wins', async () => {
  await using first = await testNode()
  const bootstrap = { nodes: [addressOf(first, 'udp')] }
  await using writer = await testNode({ bootstrap })
  await using reader = await testNode({ bootstrap })
  // Whoever is asked by datagram needs no connection, but has a place in the table.
  const known = () => reader.node.dht.buckets().flatMap(({ peers }) => peers)
  await eventually(async () => known().length > 1 || undefined)

  const key = `/data/${writer.node.peerId}/greeting`
  const put = await writer.node.dht.put(key, utf8('hello'))
  assert.equal(put.version, 1)
  assert.ok(put.stored.includes(first.node.peerId))
  const got = await reader.node.dht.get(key)
  assert.deepEqual(got.value, utf8('hello'))
  assert.equal(got.publisher, writer.node.peerId)

  assert.equal((await writer.node.dht.put(key, utf8('hello again'))).version, 2)
  assert.deepEqual((await reader.node.dht.get(key)).value, utf8('hello again'))
  assert.equal((await reader.node.dht.get(`${key}-not`)).value, null)
})

test('nobody writes into the namespace of another, or into one that there is not', async () => {
  await using alone = await testNode()
  await using other = await testNode()
  const { dht } = alone.node
  const value = utf8('x')
  await assert.rejects(dht.put(`/data/${other.node.peerId}/x`, value), coded('DHT_NOT_PUBLISHER'))
  const word = `/word/mine/${other.node.peerId}`
  await assert.rejects(dht.put(word, value), coded('DHT_NOT_PUBLISHER'))
  await assert.rejects(dht.put('/word/mine', value), coded('DHT_KEY_INVALID'))
  await assert.rejects(dht.put('/eth/mine', value), coded('DHT_KEY_INVALID'))
  await assert.rejects(dht.put(`/eth/0x${'1'.repeat(40)}`, value), coded('WIRE_MALFORMED'))
  await assert.rejects(dht.put('/mine/x', value), coded('DHT_NAMESPACE_UNKNOWN'))
})

test('without peers a write says that only this node holds it', async () => {
  await using alone = await testNode()
  const key = `/data/${alone.node.peerId}/x`
  const put = await alone.node.dht.put(key, utf8('x'))
  assert.deepEqual(put.stored, [alone.node.peerId])
  assert.ok(put.wanted > 1)
})
