/**
 * Stock kad-dht over stock libp2p, as the bench `dht` sees it: TCP, Noise, Yamux, identify and
 * ping, every option at its default but those that loopback needs (everybody comes from one
 * address), server mode, and the same k and alpha as the others.
 */

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { type KadDHT, kadDHT, passthroughMapper, type QueryEvent } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { dhtKey } from '../../../src/dht/index.ts'
import { ALPHA, type DhtNode, K, sampleValue } from './dht-node.ts'

const CROWD = 10_000
const OPERATION_MS = 60_000

type Stock = Libp2p<{ dht: KadDHT }>

const DIALS_MAX = 5

export async function startStock(): Promise<DhtNode> {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: {
      maxConnections: CROWD,
      maxIncomingPendingConnections: CROWD,
      inboundConnectionThreshold: CROWD,
    },
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol: '/bench/kad/1.0.0',
        clientMode: false,
        kBucketSize: K,
        alpha: ALPHA,
        peerInfoMapper: passthroughMapper,
        validators: { data: async () => {} },
        selectors: { data: () => 0 },
      }),
    },
  })
  return new StockNode(libp2p)
}

class StockNode implements DhtNode {
  readonly #libp2p: Stock
  #asked = 0

  constructor(libp2p: Stock) {
    this.#libp2p = libp2p
  }

  get place(): string {
    return hex(this.#libp2p.peerId.toMultihash().bytes)
  }

  get entry(): string {
    return this.#libp2p.getMultiaddrs()[0]?.toString() ?? ''
  }

  get asked(): number {
    return this.#asked
  }

  async join(entry: string | undefined): Promise<void> {
    if (entry === undefined) return
    // So many of them in one process do not always answer a handshake in time.
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#libp2p.dial(multiaddr(entry))
        return
      } catch (error) {
        if (tries >= DIALS_MAX) throw error
      }
    }
  }

  async closestToSelf(): Promise<readonly string[]> {
    const self = this.#libp2p.peerId.toMultihash().bytes
    const places: string[] = []
    const all = this.#libp2p.services.dht.getClosestPeers(self, { signal: soon() })
    for await (const event of this.#counted(all)) {
      if (event.name === 'FINAL_PEER') places.push(hex(event.peer.id.toMultihash().bytes))
    }
    return places
  }

  async put(index: number): Promise<string> {
    const key = `/data/${this.#libp2p.peerId.toString()}/${index}`
    let stored = 0
    const { dht } = this.#libp2p.services
    const events = dht.put(Buffer.from(key), sampleValue(index), { signal: soon() })
    for await (const event of this.#counted(events)) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') stored += 1
    }
    if (stored === 0) throw new TypeError(`nobody stored ${key}`)
    return key
  }

  /** As its content routing does: the first value ends it. */
  async get(key: string): Promise<boolean> {
    const events = this.#libp2p.services.dht.get(Buffer.from(key), { signal: soon() })
    for await (const event of this.#counted(events)) if (event.name === 'VALUE') return true
    return false
  }

  async provide(name: string): Promise<void> {
    const events = this.#libp2p.services.dht.provide(await cidOf(name), { signal: soon() })
    for await (const _ of this.#counted(events));
  }

  async find(name: string): Promise<number> {
    const found = new Set<string>()
    const events = this.#libp2p.services.dht.findProviders(await cidOf(name), { signal: soon() })
    for await (const event of this.#counted(events)) {
      if (event.name !== 'PROVIDER') continue
      for (const { id } of event.providers) found.add(id.toString())
    }
    return found.size
  }

  async *#counted(events: AsyncIterable<QueryEvent>): AsyncGenerator<QueryEvent> {
    for await (const event of events) {
      if (event.name === 'SEND_QUERY') this.#asked += 1
      yield event
    }
  }
}

function soon(): AbortSignal {
  return AbortSignal.timeout(OPERATION_MS)
}

async function cidOf(name: string): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(Buffer.from(name)))
}

function hex(multihash: Uint8Array): string {
  return Buffer.from(dhtKey(multihash)).toString('hex')
}
