/**
 * Keeps this node's PeerIdentity written in the DHT and told on a topic, and reads those of others.
 *
 * One loop does all the writing. It waits for a first peer, writes when an address or a capability
 * has changed, once things have settled and not more often than every few seconds, and again before
 * the record expires, because it also says when the peer was last seen. When the node stops, the
 * last one stays until it expires: it says itself how old it is.
 */

import {
  backoffMs,
  type Clock,
  type Emitter,
  either,
  type Logger,
  type Random,
  type Service,
} from '../base/index.ts'
import type { PeerId, Signer } from '../identity/index.ts'
import type { McpEvents, ServiceStatus } from '../mcp/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { Pubsub, TopicRules } from '../pubsub/index.ts'
import { NodeError } from './errors.ts'
import type { NodeDht } from './injected.ts'
import {
  checkPeerIdentity,
  decodePeerIdentity,
  encodePeerIdentity,
  fitClaims,
  PEER_IDENTITY_BYTES_MAX,
  type PeerIdentity,
  peerIdentityKey,
  signPeerIdentity,
} from './peer-identity.ts'

/** Where every node tells who it is; nobody hears it who does not subscribe. */
export const PEER_IDENTITY_TOPIC = 'peer-identities'

/** Who a peer says it is, and how sure it is that nobody says so. */
export interface IdentityReport {
  readonly peer: PeerId
  /** Null when nobody who answered has it: then `failed` and `complete` say how sure that is. */
  readonly identity: PeerIdentity | null
  readonly answered: readonly PeerId[]
  readonly failed: readonly { readonly peer: PeerId; readonly code: string }[]
  readonly complete: boolean
}

export interface PeerIdentitiesDeps {
  readonly dht: Pick<NodeDht, 'put' | 'get'>
  readonly pubsub: Pick<Pubsub, 'topic' | 'publish'> | null
  /** Null where the node does not speak MCP. */
  readonly services: {
    readonly events: Pick<Emitter<McpEvents>, 'on'>
    list(): readonly Pick<ServiceStatus, 'name' | 'state' | 'tools'>[]
  } | null
  readonly host: Pick<Host, 'self' | 'addresses' | 'connections'> & {
    readonly events: Pick<Host['events'], 'on'>
  }
  readonly signer: Signer
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly network: string
}

export interface PeerIdentitiesConfig {
  readonly ttlSeconds: number
  readonly intervalMs: number
  /** What this node can do whatever it offers: `dht:server`. */
  readonly roles: readonly string[]
}

/** Changes come in bursts: a service starts, its tools are listed, an address is found. */
const SETTLE_MS = 1_000
/** An address that comes and goes costs a write this often at most. */
const APART_MS = 10_000
/** The pauses while too few hold it; doubled until the regular interval is reached. */
const SHORT_MS = 30_000
const PUBLISH_TIMEOUT_MS = 30_000
const LISTENERS_WAIT_MS = 5_000
/** A peer tells more often than this only if something is wrong with it. */
const PER_PEER_PER_SECOND = 0.2

export class PeerIdentities implements Service {
  readonly name = 'identities'
  readonly #deps: PeerIdentitiesDeps
  readonly #config: PeerIdentitiesConfig
  readonly #life = new AbortController()
  readonly #unsubscribe: (() => void)[] = []
  #running: Promise<void> = Promise.resolve()
  #nap = new AbortController()
  #dueMs = Number.POSITIVE_INFINITY
  #writtenMs = Number.NEGATIVE_INFINITY
  /** What was last written, but for its time. */
  #said = ''
  /** Writes in a row that too few peers took. */
  #short = 0

  constructor(deps: PeerIdentitiesDeps, config: PeerIdentitiesConfig) {
    this.#deps = deps
    this.#config = config
  }

  async start(): Promise<void> {
    const { host, services, pubsub } = this.#deps
    pubsub?.topic(PEER_IDENTITY_TOPIC, this.#rules())
    const changed = () => {
      if (this.#said !== '' && keyOf(this.#claims()) !== this.#said) this.#writeSoon()
    }
    this.#unsubscribe.push(
      host.events.on('addresses', changed),
      host.events.on('identified', () => {
        if (this.#said === '') this.#writeSoon()
      }),
    )
    if (services !== null) this.#unsubscribe.push(services.events.on('servicesChanged', changed))
    if (host.connections().length > 0) this.#writeSoon()
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#life.abort()
    await this.#running
  }

  /** Who `peer` says it is: read from the DHT and verified; our own is made at once. */
  async of(peer: PeerId, options: CallOptions = {}): Promise<IdentityReport> {
    const { dht, host, clock, network } = this.#deps
    if (peer === host.self) {
      const identity = await this.#sign()
      return { peer, identity, answered: [peer], failed: [], complete: true }
    }
    const { value, answered, failed, complete } = await dht.get(peerIdentityKey(peer), options)
    const report = { peer, answered, failed, complete }
    if (value === null) return { ...report, identity: null }
    const identity = decodePeerIdentity(value)
    if (identity.peer !== peer) {
      throw NodeError.PEER_IDENTITY_BROKEN({ field: 'peer', found: `it is ${identity.peer}` })
    }
    checkPeerIdentity(identity, { network, nowMs: clock.now() })
    return { ...report, identity }
  }

  /**
   * What others say on the topic is believed only if they signed it, for this network, by now. One
   * that no DHT would keep any longer is not news: anybody who kept it could tell it again.
   */
  #rules(): TopicRules<PeerIdentity> {
    const { network, clock } = this.#deps
    const lifeMs = 1_000 * this.#config.ttlSeconds
    return {
      codec: {
        encode: (value) => encodePeerIdentity(value as PeerIdentity),
        decode: decodePeerIdentity,
      },
      schema(value) {
        const identity = value as PeerIdentity
        const nowMs = clock.now()
        checkPeerIdentity(identity, { network, nowMs })
        if (identity.lastSeenMs >= nowMs - lifeMs) return identity
        throw NodeError.PEER_IDENTITY_BROKEN({ field: 'time', found: 'older than a record lives' })
      },
      bytesMax: PEER_IDENTITY_BYTES_MAX,
      perPeerPerSecond: PER_PEER_PER_SECOND,
    }
  }

  #writeSoon(): void {
    const nowMs = this.#deps.clock.now()
    const atMs = Math.max(nowMs + SETTLE_MS, this.#writtenMs + APART_MS)
    this.#dueMs = Math.min(this.#dueMs, atMs)
    this.#nap.abort()
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#life
    while (!signal.aborted) {
      this.#nap = new AbortController()
      const leftMs = this.#dueMs - clock.now()
      if (leftMs <= 0) {
        await this.#write()
        continue
      }
      using woken = either(signal, this.#nap.signal)
      // Being woken is as good as having slept.
      await clock.sleep(leftMs, woken.signal).catch(() => undefined)
    }
  }

  async #write(): Promise<void> {
    const { clock, host, log } = this.#deps
    this.#dueMs = Number.POSITIVE_INFINITY
    this.#writtenMs = clock.now()
    // Whoever comes next wakes us.
    if (host.connections().length === 0) {
      this.#said = ''
      return
    }
    let isShort = true
    try {
      const { stored, wanted } = await this.#publish()
      isShort = stored.length < wanted
    } catch (error) {
      if (this.#life.signal.aborted) return
      log.warn('own identity not published', { error })
    }
    this.#short = isShort ? this.#short + 1 : 0
    this.#dueMs = Math.min(this.#dueMs, clock.now() + this.#pauseMs())
  }

  async #publish() {
    const { clock, host, dht, pubsub } = this.#deps
    const { ttlSeconds } = this.#config
    using deadline = clock.deadline(PUBLISH_TIMEOUT_MS, this.#life.signal)
    const { signal } = deadline
    const identity = await this.#sign()
    // Noted before it is written, so that a change from here on is one.
    this.#said = keyOf(identity)
    const bytes = encodePeerIdentity(identity)
    const report = await dht.put(peerIdentityKey(host.self), bytes, { ttlSeconds, signal })
    // A peer that came a moment ago has not said yet what it subscribes to.
    const waits = { signal, waitForPeersMs: LISTENERS_WAIT_MS }
    await pubsub?.publish(PEER_IDENTITY_TOPIC, identity, waits)
    return report
  }

  /** The whole of the interval but for a tenth, by chance, so that nodes do not write together. */
  #pauseMs(): number {
    const { random } = this.#deps
    const { intervalMs: maxMs } = this.#config
    if (this.#short === 0) return maxMs - random.int(Math.ceil(maxMs / 10))
    return backoffMs(this.#short - 1, { firstMs: SHORT_MS, maxMs }, random)
  }

  #sign(): Promise<PeerIdentity> {
    const { signer, network, clock } = this.#deps
    return signPeerIdentity(this.#claims(), signer, { network, lastSeenMs: clock.now() })
  }

  /** Names of services before those of tools: with many tools the last ones have no room. */
  #claims() {
    const { host, services } = this.#deps
    const ready = services?.list().filter(({ state }) => state === 'ready') ?? []
    const tools = ready.flatMap((service) => service.tools.map(({ name }) => `mcp:tool:${name}`))
    const offered = ready.map(({ name }) => `mcp:service:${name}`)
    const capabilities = [...this.#config.roles, ...offered, ...tools]
    return fitClaims({ endpoints: host.addresses(), capabilities })
  }
}

function keyOf({ endpoints, capabilities }: Pick<PeerIdentity, 'endpoints' | 'capabilities'>) {
  return JSON.stringify([endpoints, capabilities])
}
