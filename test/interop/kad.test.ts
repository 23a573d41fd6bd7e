/**
 * Stock js-libp2p with its own kad-dht, none of our code: asks one of our nodes, writes to it, and
 * is asked in a DHT of its own that our node joined as a client.
 */

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
import { peerId } from '../../src/identity/index.ts'
import { type CliNode, start, startNode } from '../support/cli.ts'
import { dataName, recordBytes, signerOf } from '../support/dht-fixture.ts'
import { coded } from '../support/expect.ts'
import { eventually, testNode } from '../support/nodes.ts'

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

test('a stock peer can PUT a value that carries our record, and no other', async () => {
  await using ours = await startNode()
  const publisher = signerOf(1)
  const name = dataName(publisher, 'greeting')
  const said = { network: 'main', workBits: 12, issuedMs: Date.now() }
  const value = await recordBytes(name, publisher, said)
  const stock = await stockPeer()
  try {
    await stock.dial(multiaddr(ours.address('tcp')))
    await eventually(async () => (await putBy(stock, name.bytes, value)) || undefined)
    const got = (await ours.json('dht', 'get', name.text)) as { value: string; publisher: string }
    assert.deepEqual([got.value, got.publisher], ['hello', publisher.peer])

    const plain = new TextEncoder().encode('plain')
    const other = dataName(publisher, 'other')
    for (const key of [other.bytes, new TextEncoder().encode('/pk/x')]) {
      assert.equal(await putBy(stock, key, plain), false)
    }
    const fetched = await stock.contentRouting.get(name.bytes)
    assert.deepEqual(Uint8Array.from(fetched), value)
  } finally {
    await stock.stop()
  }
})

test('a node that joins another DHT finds its peers and the providers of its contents', async () => {
  const protocol = '/ipfs/kad/1.0.0'
  const server = () => stockPeer({ protocol, clientMode: false, listen: ['/ip4/127.0.0.1/tcp/0'] })
  const [first, second, third] = [await server(), await server(), await server()]
  const near = first.getMultiaddrs().map(String)
  try {
    for (const peer of [second, third]) await peer.dial(first.getMultiaddrs())
    const digest = await sha256.digest(new TextEncoder().encode('some content'))
    const cid = CID.createV1(raw.code, digest)
    await using ours = await testNode({
      bootstrap: { nodes: near },
      dht: { extraProtocols: [protocol] },
    })
    const extra = ours.node.dht.extra(protocol)
    await eventually(async () => (extra.peers > 0 ? true : undefined))
    const wanted = third.peerId.toString()
    await eventually(async () => {
      await third.contentRouting.provide(cid, { signal: AbortSignal.timeout(10_000) })
      const { providers } = await extra.findProviders(cid.multihash.bytes)
      return providers.find(({ peer }) => peer === wanted)
    })
    const found = await eventually(async () => {
      const addresses = await extra.findPeer(peerId(second.peerId.toString()))
      return addresses.length > 0 ? addresses : undefined
    })
    assert.ok(
      found.some((address) =>
        second.getMultiaddrs().some((at) => at.toString().startsWith(address)),
      ),
    )
    const { closest } = await extra.closest(cid.multihash.bytes)
    assert.ok(closest.includes(peerId(first.peerId.toString())))
    // Nobody of the other network is told of us, and none of it is in our own table.
    assert.equal(ours.node.dht.buckets().length, 0)
    assert.throws(() => ours.node.dht.extra('/other/kad/1.0.0'), coded('DHT_PROTOCOL_UNKNOWN'))
  } finally {
    for (const peer of [first, second, third]) await peer.stop()
  }
})

/** Whether anybody took the value: the stock peer compares what comes back with what it sent. */
async function putBy(
  stock: Awaited<ReturnType<typeof stockPeer>>,
  key: Uint8Array,
  value: Uint8Array,
): Promise<boolean> {
  let taken = false
  const signal = AbortSignal.timeout(20_000)
  for await (const event of stock.services.dht.put(key, value, { signal })) {
    if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') {
      taken ||= event.record !== undefined
    }
  }
  return taken
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

interface StockShape {
  readonly protocol?: string
  readonly clientMode?: boolean
  readonly listen?: string[]
}

function stockPeer({
  protocol = '/p2p/kad/1.0.0',
  clientMode = true,
  listen = [],
}: StockShape = {}) {
  return createLibp2p({
    addresses: { listen },
    transports: [quic(), tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol,
        clientMode,
        peerInfoMapper: passthroughMapper,
        validators: { data: async () => undefined },
        selectors: { data: () => 0 },
      }),
    },
  })
}
