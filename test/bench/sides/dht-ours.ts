/**
 * Our own node as the bench `dht` sees it: the rooms identity, access, net (TCP on loopback) and
 * dht, as a node composes them, without the rooms above. Quotas are those of production. Limits on
 * connections from one address are not: here everybody comes from one.
 */

import { AccessPolicy, accessConfig, accessMetrics } from '../../../src/access/index.ts'
import {
  type Counter,
  Registry,
  secureRandom,
  silentLog,
  systemClock,
} from '../../../src/base/index.ts'
import { contactOf, Dht, dhtConfig, dhtMetrics, MemoryStore } from '../../../src/dht/index.ts'
import {
  agreementOf,
  generateKeys,
  type PeerId,
  peerIdToBytes,
} from '../../../src/identity/index.ts'
import {
  createNet,
  type Libp2pHost,
  netConfig,
  netMetrics,
  openUdp,
} from '../../../src/net/index.ts'
import { type DhtNode, sampleValue } from './dht-node.ts'

const clock = systemClock
const log = silentLog
const random = secureRandom
const CROWD = 10_000
/** Two registries with a hundred series each for every node would be most of what it takes. */
const registry = new Registry()
const shared = {
  access: accessMetrics(registry),
  net: netMetrics(registry),
  dht: dhtMetrics(registry),
}

/** The rooms of one node, up and running, for benches of the rooms above. */
export interface OurRooms {
  readonly host: Libp2pHost
  readonly dht: Dht
  readonly asked: { readonly count: number }
}

export async function startOurs(): Promise<DhtNode> {
  const { host, dht, asked } = await openOurs()
  return new OurNode(host, dht, asked)
}

export async function openOurs(): Promise<OurRooms> {
  const keys = generateKeys(random)
  const policy = new AccessPolicy({ clock, log, metrics: shared.access }, accessConfig.parse({}))
  const agent = 'p2p-foundation/bench'
  const net = { keys, policy, clock, log, metrics: shared.net, agent }
  const host = await createNet(
    net,
    netConfig.parse({ listen: ['/ip4/127.0.0.1/tcp/0'], ...CROWDED }),
  )
  const asked = { count: 0 }
  const questions: Counter = {
    add(amount = 1, labels = {}) {
      asked.count += amount
      shared.dht.questions.add(amount, labels)
    },
  }
  const metrics = { ...shared.dht, questions }
  const storage = new MemoryStore()
  const agreement = agreementOf(keys)
  const datagrams = agreement && { agreement, openUdp, hosts: ['127.0.0.1'] }
  const given = {
    host,
    datagrams,
    signer: keys.signer,
    policy,
    storage,
    clock,
    random,
    log,
    metrics,
  }
  const dht = new Dht({ ...given, network: 'bench' }, dhtConfig.parse({ workBits: 0 }))
  await host.start()
  await dht.start()
  return { host, dht, asked }
}

/** Everybody comes from one address here, which no default allows. */
const CROWDED = {
  connectionsPerHostMax: CROWD,
  connectionsPerSiteMax: CROWD,
  pendingMax: CROWD,
  pendingPerHostMax: CROWD,
  pendingPerSiteMax: CROWD,
  inboundPerSecondMax: CROWD,
}

class OurNode implements DhtNode {
  readonly #host: Libp2pHost
  readonly #dht: Dht
  readonly #asked: { readonly count: number }

  constructor(host: Libp2pHost, dht: Dht, asked: { readonly count: number }) {
    this.#host = host
    this.#dht = dht
    this.#asked = asked
  }

  get place(): string {
    return placeOf(this.#host.self)
  }

  get entry(): string {
    return this.#dht.datagramAddresses()[0] ?? ''
  }

  get connections(): number {
    return this.#host.connections().length
  }

  get asked(): number {
    return this.#asked.count
  }

  async join(entry: string | undefined): Promise<void> {
    if (entry !== undefined) await this.#dht.join(entry)
  }

  async closestToSelf(): Promise<readonly string[]> {
    const { closest } = await this.#dht.closest(peerIdToBytes(this.#host.self))
    return closest.map(placeOf)
  }

  async put(index: number): Promise<string> {
    const key = `/data/${this.#host.self}/${index}`
    // With a time to live of its own it is not renewed: nothing but the put is measured.
    const report = await this.#dht.put(key, sampleValue(index), { ttlSeconds: 3_600 })
    if (report.stored.length === 0) throw new TypeError(`nobody stored ${key}`)
    return key
  }

  async get(key: string): Promise<boolean> {
    return (await this.#dht.get(key)).value !== null
  }

  async provide(name: string): Promise<void> {
    const { stored } = await this.#dht.provide(name)
    if (stored.length === 0) throw new TypeError(`nobody stored ${name}`)
  }

  async find(name: string): Promise<number> {
    return (await this.#dht.findProviders(name)).providers.length
  }
}

function placeOf(peer: PeerId): string {
  return Buffer.from(contactOf(peer).key).toString('hex')
}
