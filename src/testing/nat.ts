/**
 * Address translation as home routers do it, with the four kinds of filter of RFC 3489 §5: which
 * packets from outside find their way to a port inside. Sans I/O; every number here is a port of
 * the router's one public address.
 */

/** From no router at all to one that gives each destination a port of its own. */
export const NAT_KINDS = [
  'none',
  'full-cone',
  'address-restricted',
  'port-restricted',
  'symmetric',
] as const
export type NatKind = (typeof NAT_KINDS)[number]

/** Somebody outside. */
export interface Outside {
  readonly host: string
  readonly port: number
}

interface Mapping {
  readonly inside: number
  readonly outside: number
  /** Who was spoken to from here, and when last. */
  readonly spokenTo: Map<string, number>
}

/** RFC 4787 §4.3 asks for two minutes, and most routers keep less. */
const IDLE_MS = 60_000
const PORT_FIRST = 20_000

export class NatBox {
  readonly #kind: NatKind
  readonly #mappings = new Map<string, Mapping>()
  readonly #byOutside = new Map<number, Mapping>()
  #portNext = PORT_FIRST

  constructor(kind: NatKind) {
    this.#kind = kind
  }

  /** The public port by which a packet from `inside` leaves. */
  leaves(inside: number, to: Outside, nowMs: number): number {
    if (this.#kind === 'none') return inside
    const key = this.#kind === 'symmetric' ? `${inside} ${to.host} ${to.port}` : String(inside)
    const known = this.#mappings.get(key)
    const mapping = known !== undefined && isAlive(known, nowMs) ? known : this.#map(key, inside)
    mapping.spokenTo.set(`${to.host} ${to.port}`, nowMs)
    return mapping.outside
  }

  /** The port inside that a packet to `outside` reaches; undefined when it is dropped. */
  enters(outside: number, from: Outside, nowMs: number): number | undefined {
    if (this.#kind === 'none') return outside
    const mapping = this.#byOutside.get(outside)
    if (mapping === undefined || !isAlive(mapping, nowMs)) return undefined
    return this.#passes(mapping, from, nowMs) ? mapping.inside : undefined
  }

  #map(key: string, inside: number): Mapping {
    const mapping = { inside, outside: this.#portNext, spokenTo: new Map<string, number>() }
    this.#portNext += 1
    this.#mappings.set(key, mapping)
    this.#byOutside.set(mapping.outside, mapping)
    return mapping
  }

  #passes({ spokenTo }: Mapping, from: Outside, nowMs: number): boolean {
    if (this.#kind === 'full-cone') return true
    const isRecent = (atMs: number | undefined) => atMs !== undefined && nowMs - atMs <= IDLE_MS
    if (this.#kind !== 'address-restricted') {
      return isRecent(spokenTo.get(`${from.host} ${from.port}`))
    }
    return [...spokenTo].some(([who, atMs]) => who.startsWith(`${from.host} `) && isRecent(atMs))
  }
}

function isAlive({ spokenTo }: Mapping, nowMs: number): boolean {
  return [...spokenTo.values()].some((atMs) => nowMs - atMs <= IDLE_MS)
}
