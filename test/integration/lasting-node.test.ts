/** Lasting channels and kept peers between whole nodes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../support/expect.ts'
import { addressOf, eventually, testNode } from '../support/nodes.ts'

const text = (frame: Uint8Array | undefined) => frame && Buffer.from(frame).toString()

test('node.channel() reaches the program at onChannel(), across a cut connection', async () => {
  await using one = await testNode()
  await using other = await testNode()
  await one.node.connect(addressOf(other, 'tcp'))
  const withdraw = other.node.onChannel('echo/1', async (channel) => {
    assert.equal(channel.peer, one.node.peerId)
    for await (const frame of channel) await channel.write(frame)
  })
  const channel = await one.node.channel(other.node.peerId, 'echo/1')
  for (let n = 0; n < 20; n += 1) {
    await channel.write(Buffer.from(`${n}`))
    if (n % 5 === 0) await other.node.disconnect(one.node.peerId)
    assert.equal(text(await channel.read()), `${n}`)
  }
  await channel.close()
  assert.equal(await channel.read(), undefined)
  withdraw()
  const again = one.node.channel(other.node.peerId, 'echo/1')
  await assert.rejects(again, coded('NET_CHANNEL_REFUSED'))
})

test('node.channel() and onChannel() refuse once the node is stopped', async () => {
  const one = await testNode()
  const { peerId } = one.node
  await one[Symbol.asyncDispose]()
  await assert.rejects(one.node.channel(peerId, 'echo/1'), coded('NODE_STOPPED'))
  assert.throws(() => one.node.onChannel('echo/1', async () => undefined), coded('NODE_STOPPED'))
  assert.throws(() => one.node.keep(peerId), coded('NODE_STOPPED'))
})

test('a wanted peer is connected, and again after it was lost, and both are told', async () => {
  await using other = await testNode()
  // Nobody can dial it back: the other's DHT would, before the connection is gone, and lose nobody.
  await using one = await testNode({ net: { listen: [] } })
  const seen: string[] = []
  const saw = async (count: number) => {
    await eventually(async () => (seen.length >= count ? true : undefined))
  }
  one.node.events.wanted.on('connected', () => seen.push('connected'))
  one.node.events.wanted.on('lost', () => seen.push('lost'))
  const release = one.node.keep(addressOf(other, 'tcp'))
  await saw(1)
  // The side that was dialled has the connection a little later than the one that dialled.
  await eventually(async () => ((await other.node.peers()).length > 0 ? true : undefined))
  await other.node.disconnect(one.node.peerId)
  await saw(3)
  assert.deepEqual(seen, ['connected', 'lost', 'connected'])
  release()
})

test('the peers that the configuration wants are connected', async () => {
  await using other = await testNode()
  await using one = await testNode({ bootstrap: { wanted: [addressOf(other, 'tcp')] } })
  await eventually(async () => {
    const peers = await one.node.peers()
    return peers.some(({ peer }) => peer === other.node.peerId) ? true : undefined
  })
})
