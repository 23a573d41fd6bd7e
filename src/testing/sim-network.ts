/**
 * A network that exists in virtual time only: hosts with addresses of their own, and links between
 * each two of them with latency, jitter, bandwidth and loss. What is wrong with it at the moment
 * is a list of conditions, which faults add and take away.
 *
 * It carries datagrams (`sim-udp.ts`) and streams (`sim-socket.ts`); this file knows how long a
 * packet takes, or that it is lost.
 */

import type { UdpEndpoint } from '../net/index.ts'
import { NatBox, type NatKind } from './nat.ts'
import type { SimRandom } from './seed.ts'
import type { SimSocket } from './sim-socket.ts'
import { type EventKind, Trace } from './trace.ts'
import type { VirtualTime } from './virtual-time.ts'

/** How links are; each number may be zero. */
export interface LinkConfig {
  /** One way. */
  readonly latencyMs: number
  /** Each pair of hosts differs from the others by up to this share of the latency. */
  readonly spread: number
  /** Each packet takes up to this much longer. */
  readonly jitterMs: number
  /** Share of packets that are lost. */
  readonly loss: number
  /** Of each host, up and down alike. */
  readonly bytesPerSecond: number
}

/** 50 ms there and back, as between two cities, and a line of 100 Mbit/s. */
export const LINK: LinkConfig = {
  latencyMs: 25,
  spread: 0,
  jitterMs: 1,
  loss: 0,
  bytesPerSecond: 12_500_000,
}

/** What is wrong at the moment: what any one condition blocks is blocked. */
export interface Condition {
  /** Nothing passes from one to the other. */
  blocks?(from: SimHost, to: SimHost): boolean
  /** Share of packets lost besides those of the link. */
  loss?(from: SimHost, to: SimHost): number
  /** Milliseconds that a packet takes longer. */
  delayMs?(from: SimHost, to: SimHost): number
}

/** Takes whoever dials a listening port, and says who listens. */
export interface Listening {
  readonly identity: unknown
  accept(socket: SimSocket): void
}

/** Takes a datagram. */
export type Receive = (bytes: Uint8Array, from: UdpEndpoint) => void

/** One machine on the network: its address, what listens on it, and what it sent and received. */
export interface SimHost {
  readonly id: number
  /** The public address: its own, or that of the router before it. */
  readonly ip: string
  readonly nat: NatBox
  readonly listeners: Map<number, Listening>
  readonly receivers: Map<number, Receive>
  readonly sockets: Set<SimSocket>
  readonly sent: Tally
  readonly received: Tally
  /** A host that is down says nothing, not even that it is. */
  isUp: boolean
  /** When the line up, and the line down, is free again. */
  upFreeMs: number
  downFreeMs: number
  portNext: number
}

export interface Tally {
  bytes: number
  packets: number
}

/** Above any port that is listened on. */
const PORT_FIRST = 40_000
/** Headers of Ethernet, IPv4 and TCP. */
const HEADER_BYTES = 54

export class SimNetwork {
  readonly time: VirtualTime
  readonly trace = new Trace()
  readonly conditions = new Set<Condition>()
  readonly #random: SimRandom
  readonly #link: LinkConfig
  readonly #hosts: SimHost[] = []
  readonly #byIp = new Map<string, SimHost>()

  constructor(time: VirtualTime, random: SimRandom, link: LinkConfig = LINK) {
    this.time = time
    this.#random = random.fork('network')
    this.#link = link
  }

  get hosts(): readonly SimHost[] {
    return this.#hosts
  }

  /** A new machine, at `ip` or at an address of its own in one of many networks. */
  host({ ip, nat = 'none' }: { readonly ip?: string; readonly nat?: NatKind } = {}): SimHost {
    const host: SimHost = {
      id: this.#hosts.length,
      ip: ip ?? this.#freeIp(),
      nat: new NatBox(nat),
      listeners: new Map(),
      receivers: new Map(),
      sockets: new Set(),
      sent: { bytes: 0, packets: 0 },
      received: { bytes: 0, packets: 0 },
      isUp: true,
      upFreeMs: 0,
      downFreeMs: 0,
      portNext: PORT_FIRST,
    }
    this.#hosts.push(host)
    this.#byIp.set(host.ip, host)
    return host
  }

  hostAt(ip: string): SimHost | undefined {
    return this.#byIp.get(ip)
  }

  /** Whether nothing passes between the two, for whichever reason. */
  isBlocked(from: SimHost, to: SimHost): boolean {
    if (!from.isUp || !to.isUp) return true
    for (const condition of this.conditions) if (condition.blocks?.(from, to) === true) return true
    return false
  }

  /** Whether one packet is lost; each asking is another packet. */
  isLost(from: SimHost, to: SimHost): boolean {
    let share = this.#link.loss
    for (const condition of this.conditions) share += condition.loss?.(from, to) ?? 0
    return share > 0 && this.#random.fraction() < share
  }

  /** How long `bytes` take from one to the other if they leave now, behind what left before. */
  travelMs(from: SimHost, to: SimHost, bytes: number): number {
    const { jitterMs, bytesPerSecond } = this.#link
    const nowMs = this.time.nowMs
    const lineMs = (1_000 * (bytes + HEADER_BYTES)) / bytesPerSecond
    from.upFreeMs = Math.max(nowMs, from.upFreeMs) + lineMs
    let travelMs = this.latencyMs(from, to) + jitterMs * this.#random.fraction()
    for (const condition of this.conditions) travelMs += condition.delayMs?.(from, to) ?? 0
    to.downFreeMs = Math.max(from.upFreeMs + travelMs, to.downFreeMs + lineMs)
    return to.downFreeMs - nowMs
  }

  /** One way between the two, without jitter. */
  latencyMs(from: SimHost, to: SimHost): number {
    const { latencyMs, spread } = this.#link
    if (spread === 0) return latencyMs
    const low = Math.min(from.id, to.id)
    const mixed = Math.imul((low << 16) ^ Math.max(from.id, to.id), 0x9e37_79b1)
    const share = ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32
    return latencyMs * (1 + spread * (2 * share - 1))
  }

  note(kind: EventKind, from: SimHost, to: SimHost, bytes: number): void {
    const { elapsedMs } = this.time
    if (kind !== 'lost' && kind !== 'broken') {
      from.sent.bytes += bytes
      from.sent.packets += 1
      to.received.bytes += bytes
      to.received.packets += 1
    }
    this.trace.note({ elapsedMs, from: from.id, to: to.id, bytes, kind })
  }

  #freeIp(): string {
    for (;;) {
      const byte = () => 1 + this.#random.int(254)
      const ip = `${this.#random.pick(PUBLIC_FIRST)}.${byte()}.${byte()}.${byte()}`
      if (!this.#byIp.has(ip)) return ip
    }
  }
}

/** First bytes of IPv4 addresses with no special range inside. */
const PUBLIC_FIRST: readonly number[] = [
  5, 8, 18, 23, 31, 34, 37, 46, 52, 62, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91,
  92, 93, 94, 95, 109, 141, 142, 143, 144, 145, 151, 176, 178, 185, 193, 194, 195, 212, 213, 217,
]
