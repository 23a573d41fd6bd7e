/** Stock js-libp2p with its own kad-dht, none of our code, asks one of our nodes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { type CliNode, start, startNode } from '../support/cli.ts'

const EVERYTHING = ['node_modules/@modelcontextprotocol/server-everything/dist/index.js', 'stdio']

for (const kind of ['udp', 'tcp'] as const) {
  const over = kind === 'udp' ? 'QUIC' : 'TCP and Noise'

  test(`a stock peer does ping, identify, FIND_NODE and GET_PROVIDERS over ${over}`, async () => {
    await using ours = await startNode()
    await using offering = await startNode([`--bootstrap=${ours.address(kind)}`])
    const words = ['expose', '--name=everything', '--detach', '--json', '--data', offering.dataDir]
    const exposed = start([...words, '--', process.execPath, ...EVERYTHING])
    await new Promise((resolve) => exposed.once('exit', resolve))

    const stock = await stockPeer()
    try {
      const address = multiaddr(ours.address(kind))
      const connection = await stock.dial(address)
      assert.ok((await stock.services.ping.ping(address)) < 1_000)
      const identity = await stock.services.identify.identify(connection)
      assert.ok(identity.protocols.includes('/p2p/kad/1.0.0'))
      assert.ok(identity.protocols.includes('/p2p-foundation/mcp/1.0.0'))

      const wanted = peerIdFromString(offering.ready.peerId)
      const found = await stock.peerRouting.findPeer(wanted, {
        signal: AbortSignal.timeout(20_000),
      })
      assert.ok(found.multiaddrs.length > 0)
      assert.ok(await isProvider(stock, offering), 'the provider of the service is found')
    } finally {
      await stock.stop()
    }
  })
}

async function isProvider(
  stock: Awaited<ReturnType<typeof stockPeer>>,
  offering: CliNode,
): Promise<boolean> {
  const name = new TextEncoder().encode('mcp:service:everything')
  const cid = CID.createV1(raw.code, await sha256.digest(name))
  const until = performance.now() + 30_000
  while (performance.now() < until) {
    const signal = AbortSignal.timeout(10_000)
    for await (const provider of stock.contentRouting.findProviders(cid, { signal })) {
      if (provider.id.toString() === offering.ready.peerId) return true
    }
  }
  return false
}

function stockPeer() {
  return createLibp2p({
    addresses: { listen: [] },
    transports: [quic(), tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol: '/p2p/kad/1.0.0',
        clientMode: true,
        peerInfoMapper: passthroughMapper,
      }),
    },
  })
}
