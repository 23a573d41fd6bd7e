/**
 * HyperDHT as the bench `dht` sees it. What it stores is signed and has a number (mutable values);
 * providers are announcements under a topic. A node lies at the hash of its address and port.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type DhtNode, sampleValue } from './dht-node.ts'

interface Query extends AsyncIterable<{ readonly peers?: readonly unknown[] }> {
  readonly closestNodes: readonly { readonly host: string; readonly port: number }[]
  finished(): Promise<void>
}

interface KeyPair {
  readonly publicKey: Buffer
}

interface Dht {
  readonly table: { readonly id: Buffer }
  readonly defaultKeyPair: KeyPair
  readonly stats: { readonly requests: { readonly total: number } }
  fullyBootstrapped(): Promise<void>
  address(): { readonly host: string; readonly port: number }
  findNode(target: Buffer): Query
  mutablePut(keyPair: KeyPair, value: Buffer): Promise<unknown>
  mutableGet(publicKey: Buffer, options: object): Promise<{ readonly value: Buffer } | null>
  announce(target: Buffer, keyPair: KeyPair, relays: readonly object[]): Query
  lookup(target: Buffer): Query
}

interface DhtClass {
  new (options: object): Dht
  keyPair(seed?: Buffer): KeyPair
  bootstrapper(port: number, host: string, options: object): Dht
}

const HOST = '127.0.0.1'
const require = createRequire(new URL('../peers/package.json', import.meta.url))
const HyperDHT = require('hyperdht') as DhtClass
const { hash } = require('hypercore-crypto') as {
  hash(data: Buffer | readonly Buffer[]): Buffer
}
const peer = require('dht-rpc/lib/peer') as { id(host: string, port: number): Buffer }

export async function startHyperdht(): Promise<DhtNode> {
  return new HyperdhtNode()
}

class HyperdhtNode implements DhtNode {
  #dht: Dht | undefined

  get #joined(): Dht {
    if (this.#dht === undefined) throw new TypeError('this node has not joined')
    return this.#dht
  }

  get place(): string {
    return this.#joined.table.id.toString('hex')
  }

  get entry(): string {
    const { host, port } = this.#joined.address()
    return `${host}:${port}`
  }

  get asked(): number {
    return this.#joined.stats.requests.total
  }

  async join(entry: string | undefined): Promise<void> {
    this.#dht = entry === undefined ? await startFirst() : startOther(entry)
    await this.#dht.fullyBootstrapped()
  }

  async closestToSelf(): Promise<readonly string[]> {
    const query = this.#joined.findNode(this.#joined.table.id)
    await query.finished()
    const places = query.closestNodes.map(({ host, port }) => peer.id(host, port).toString('hex'))
    return places.filter((place) => place !== this.place)
  }

  /** One value for each key pair, so each value has a key pair of its own. */
  async put(index: number): Promise<string> {
    const keyPair = HyperDHT.keyPair(hash([Buffer.from(this.place), sampleValue(index)]))
    await this.#joined.mutablePut(keyPair, sampleValue(index))
    return keyPair.publicKey.toString('hex')
  }

  async get(key: string): Promise<boolean> {
    const publicKey = Buffer.from(key, 'hex')
    return (await this.#joined.mutableGet(publicKey, { latest: false })) !== null
  }

  async provide(name: string): Promise<void> {
    const { defaultKeyPair } = this.#joined
    await this.#joined.announce(hash(Buffer.from(name)), defaultKeyPair, []).finished()
  }

  async find(name: string): Promise<number> {
    let found = 0
    for await (const { peers = [] } of this.#joined.lookup(hash(Buffer.from(name)))) {
      found = Math.max(found, peers.length)
    }
    return found
  }
}

/** A node tells its place only when it knows its own address, which nobody can tell the first. */
async function startFirst(): Promise<Dht> {
  const socket = createSocket('udp4').bind(0, HOST)
  await once(socket, 'listening')
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(resolve))
  return HyperDHT.bootstrapper(port, HOST, { host: HOST })
}

function startOther(entry: string): Dht {
  return new HyperDHT({ host: HOST, firewalled: false, ephemeral: false, bootstrap: [entry] })
}
