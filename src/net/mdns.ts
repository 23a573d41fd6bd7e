/**
 * Finding peers on the same link, with nobody told of them: our own mDNS, over IPv4 and IPv6.
 *
 * libp2p's module speaks IPv4 only and is silent where no route leads to the group. This one speaks
 * on every interface by name, so a cable between two machines is enough. What is found is a
 * candidate; who it really is shows when it is dialled.
 */

import { type Clock, every, type Logger, type Random, type Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Facility } from './facility.ts'
import { Intake } from './mdns-intake.ts'
import { type Arrival, type Link, type Links, MDNS_PORT, UdpLinks } from './mdns-links.ts'
import {
  decodeMessage,
  encodeAnswers,
  encodeQuery,
  newPeerName,
  readLinkAddress,
  serviceName,
} from './mdns-records.ts'

/** How far apart the first queries on a new link are: at once, after one second, after three. */
const FIRST_QUERIES_MS = [0, 1_000, 2_000] as const
/** RFC 6762 §8.3 asks for two announcements, a second apart. */
const ANNOUNCEMENTS = 2
/** RFC 6762 §6: answers wait a little by chance, and no record is sent twice in a second. */
const ANSWER_DELAY_MIN_MS = 20
const ANSWER_DELAY_SPREAD_MS = 100
const ANSWER_APART_MS = 1_000

/** What mDNS needs of the node. */
export interface MdnsDeps {
  readonly self: PeerId
  /** Our own multiaddrs, each ending in `/p2p/<self>`. */
  readonly addresses: () => readonly string[]
  /** Told of candidates: each address ends in `/p2p/<peer>`. Repeated after their time to live. */
  readonly found: (peer: PeerId, addresses: readonly string[]) => void
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** The sockets; a test hands in its own. */
  readonly openLinks?: (deps: ConstructorParameters<typeof UdpLinks>[0]) => Links
}

/** The knobs of mDNS. */
export interface MdnsConfig {
  /** The name of the network; other networks on the link are not seen. */
  readonly network: string
  /** How often to ask once the first queries are out. */
  readonly queryIntervalMs: number
  /** How often to look for interfaces and addresses that came or went. */
  readonly rescanMs: number
}

/** Announces us on every link and names the peers that it hears of as candidates. */
export class Mdns implements Service {
  readonly name = 'mdns'
  readonly #deps: MdnsDeps
  readonly #config: MdnsConfig
  readonly #service: string
  readonly #peerName: string
  readonly #intake: Intake
  readonly #stopped = new AbortController()
  /** When each link last had our records, and the links where an answer is about to go out. */
  readonly #answeredAtMs = new Map<string, number>()
  readonly #answering = new Set<string>()
  #links: Links | undefined
  #announced = ''

  constructor(deps: MdnsDeps, config: MdnsConfig) {
    this.#deps = deps
    this.#config = config
    this.#service = serviceName(config.network)
    this.#peerName = newPeerName(deps.random)
    this.#intake = new Intake(deps)
  }

  /** Never fails: where no socket can be had, `status` says so and every rescan tries again. */
  async start(): Promise<void> {
    const { clock, log } = this.#deps
    const { signal } = this.#stopped
    const open = this.#deps.openLinks ?? ((deps) => new UdpLinks(deps))
    this.#links = open({ log, receive: (arrival) => this.#receive(arrival) })
    await this.#rescan(this.#links)
    const { reason, remedy } = this.status()
    if (reason !== undefined) log.warn('mdns is not available', { reason, remedy })
    this.#run(every(clock, this.#config.rescanMs, () => this.#rescanOpen(), signal))
    this.#run(every(clock, this.#config.queryIntervalMs, () => this.#query(), signal))
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#links?.close()
    this.#links = undefined
  }

  /** Whether it works; if not, why, and what would help. */
  status(): Facility {
    if (this.#links === undefined) return { state: 'off' }
    if (this.#links.open.length > 0) return { state: 'active' }
    const { failure } = this.#links
    if (failure === undefined) {
      return {
        state: 'unavailable',
        reason: 'Cannot look for peers on the link: no network interface is up',
        remedy: 'Connect a network; interfaces are looked for again by themselves',
      }
    }
    return {
      state: 'unavailable',
      reason: `Cannot look for peers on the link: UDP port ${MDNS_PORT} gives ${failure.message}`,
      remedy:
        `Stop the program that holds UDP port ${MDNS_PORT} for itself (ss -ulpn shows it), ` +
        'or name peers to start from in the configuration',
    }
  }

  async #rescanOpen(): Promise<void> {
    try {
      if (this.#links !== undefined) await this.#rescan(this.#links)
    } catch (error) {
      this.#deps.log.warn('network interfaces not read', { error })
    }
  }

  async #rescan(links: Links): Promise<void> {
    const fresh = await links.rescan()
    const ids = new Set(links.open.map(({ id }) => id))
    for (const id of this.#answeredAtMs.keys()) if (!ids.has(id)) this.#answeredAtMs.delete(id)
    for (const link of fresh) this.#run(this.#greet(link))

    const addresses = [...this.#deps.addresses()].sort().join(' ')
    if (addresses === this.#announced) return
    this.#announced = addresses
    for (const link of links.open) this.#run(this.#answer(link))
  }

  /** Makes us known on a new link and asks who is there. */
  async #greet(link: Link): Promise<void> {
    const message = encodeQuery(this.#service)
    for (const [i, pauseMs] of FIRST_QUERIES_MS.entries()) {
      await this.#deps.clock.sleep(pauseMs, this.#stopped.signal)
      this.#links?.send(link, message)
      if (i < ANNOUNCEMENTS) this.#run(this.#answer(link))
    }
  }

  #query(): void {
    const message = encodeQuery(this.#service)
    for (const link of this.#links?.open ?? []) this.#links?.send(link, message)
  }

  #receive(arrival: Arrival): void {
    const message = decodeMessage(arrival.bytes, this.#service)
    if (message?.kind === 'query') this.#run(this.#answer(arrival.link))
    // RFC 6762 §6: an answer from another port is none.
    if (message?.kind !== 'answer' || arrival.port !== MDNS_PORT) return
    for (const [peer, addresses] of this.#intake.take(message.announced, arrival)) {
      this.#deps.log.debug('peer found on the link', { peer, addresses, link: arrival.link.id })
      this.#deps.found(peer, addresses)
    }
  }

  /** Sends our records once, soon; requests that come while this waits are answered with it. */
  async #answer(link: Link): Promise<void> {
    if (this.#answering.has(link.id)) return
    this.#answering.add(link.id)
    try {
      const { clock, random } = this.#deps
      const soonMs = ANSWER_DELAY_MIN_MS + random.int(ANSWER_DELAY_SPREAD_MS)
      const allowedAtMs = (this.#answeredAtMs.get(link.id) ?? -Infinity) + ANSWER_APART_MS
      await clock.sleep(Math.max(soonMs, allowedAtMs - clock.now()), this.#stopped.signal)
      const addresses = this.#deps.addresses().filter((address) => isAddressOn(link, address))
      const messages = encodeAnswers(this.#service, this.#peerName, addresses)
      for (const message of messages) this.#links?.send(link, message)
      this.#answeredAtMs.set(link.id, clock.now())
    } finally {
      this.#answering.delete(link.id)
    }
  }

  /** Lets background work run: it ends with the service, and whatever else ends it is told. */
  #run(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#stopped.signal.aborted) this.#deps.log.warn('mdns work failed', { error })
    })
  }
}

/** Whether neighbours can use the address: it is the link's own, and no public one. */
function isAddressOn(link: Link, address: string): boolean {
  const read = readLinkAddress(address)
  if (read === undefined || read.scope === 'global' || read.scope === 'special') return false
  return link.addresses.includes(read.ip)
}
