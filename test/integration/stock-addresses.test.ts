/**
 * Addresses told by strangers: stock js-libp2p takes all that an answer names into its peer store,
 * and then has more than it will dial. Ours takes few from each source, and keeps what it knows.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { addressLiar } from '../support/address-liar.ts'
import { addressOf, eventually, testNode } from '../support/nodes.ts'

const PROTOCOL = '/p2p/test/kad/1.0.0'
const BOGUS = 100

test('8: a hundred bogus addresses make a victim undialable for stock', async (t) => {
  const victim = await stockPeer(['/ip4/127.0.0.1/tcp/0'])
  await using liar = await addressLiar(PROTOCOL, victim.peerId.toString(), BOGUS)
  const stock = await stockPeer([])
  try {
    const id = victim.peerId
    await stock.peerStore.merge(id, { multiaddrs: victim.getMultiaddrs() })
    await stock.dial(multiaddr(liar.address))
    const key = id.toMultihash().bytes
    await eventually(async () => {
      const signal = AbortSignal.timeout(5_000)
      try {
        for await (const _ of stock.services.dht.getClosestPeers(key, { signal })) {
          // Only what the answers leave behind matters.
        }
      } catch {
        // The victim could not be dialled.
      }
      return liar.asked() > 0 || undefined
    })
    const known = (await stock.peerStore.get(id)).addresses
    await stock.hangUp(id)
    const outcome = await stock.dial(id, { signal: AbortSignal.timeout(10_000) }).then(
      () => 'dialled',
      (error: unknown) => String(error),
    )
    t.diagnostic(`stock knows ${known.length} addresses of the victim: ${outcome}`)
    assert.ok(known.length > BOGUS / 2)
    assert.match(outcome, /maxPeerAddrsToDial/)
  } finally {
    await Promise.all([stock.stop(), victim.stop()])
  }
})

test('8: a hundred bogus addresses leave the victim dialable for us', async (t) => {
  await using victim = await testNode()
  await using liar = await addressLiar(PROTOCOL, victim.node.peerId, BOGUS)
  await using friend = await testNode({ bootstrap: { nodes: [addressOf(victim, 'tcp')] } })
  await using asker = await testNode({ bootstrap: { nodes: [liar.address] } })
  await eventually(async () => (liar.asked() > 0 ? true : undefined))
  await asker.node.dht.get(`/data/${victim.node.peerId}/anything`)
  // One who is honest can say where it is, as soon as there is one.
  await asker.node.connect(addressOf(friend, 'tcp'))
  await eventually(async () => {
    const known = asker.node.dht.buckets().flatMap(({ peers }) => peers)
    return known.includes(friend.node.peerId) || undefined
  })
  const startedMs = performance.now()
  assert.equal(await asker.node.connect(victim.node.peerId), victim.node.peerId)
  t.diagnostic(`the victim is dialled in ${(performance.now() - startedMs).toFixed(0)} ms`)
})

function stockPeer(listen: string[]) {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({ protocol: PROTOCOL, clientMode: true, peerInfoMapper: passthroughMapper }),
    },
  })
}
