/**
 * What is believed of strangers on the link: little, and only as a hint whom to dial.
 *
 * Anybody on a link can say anything in anybody's name, so an announcement can cost us one entry in
 * a bounded table and nothing else. New addresses are counted against the address they came from;
 * repeats of what we know are free, so that a busy link does not lock out its own peers.
 */

import { type Clock, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Link } from './mdns-links.ts'
import type { Announced } from './mdns-records.ts'

/** New addresses that one source may tell in a second, and all sources together. */
export const SOURCE_RECORDS_PER_SECOND = 16
const TOTAL_RECORDS_PER_SECOND = 128
const SOURCES_MAX = 256
const KNOWN_MAX = 1_024
const TOTAL = 'total'

/** Where an announcement came from. */
export interface Origin {
  readonly link: Pick<Link, 'zone'>
  readonly source: string
  /** Whether the source is an address of this machine. */
  readonly ownHost: boolean
}

export class Intake {
  readonly #self: PeerId
  readonly #known: TtlMap<string, true>
  readonly #spent: TtlMap<string, { records: number }>

  constructor(deps: { readonly self: PeerId; readonly clock: Clock }) {
    const { clock } = deps
    this.#self = deps.self
    this.#known = new TtlMap({ entriesMax: KNOWN_MAX, ttlMs: 1_000, clock })
    this.#spent = new TtlMap({ entriesMax: SOURCES_MAX, ttlMs: 1_000, clock })
  }

  /** New acceptable addresses by peer; a known one is new again when its time to live is over. */
  take(announced: readonly Announced[], origin: Origin): Map<PeerId, string[]> {
    const fresh = new Map<PeerId, string[]>()
    for (const item of announced) {
      if (item.peer === this.#self || !isNear(item, origin)) continue
      const address = inZone(item, origin.link.zone)
      if (this.#known.has(address)) continue
      if (!this.#spend(origin.source)) break
      this.#known.set(address, true, item.ttlSeconds * 1_000)
      fresh.set(item.peer, [...(fresh.get(item.peer) ?? []), address])
    }
    return fresh
  }

  #spend(source: string): boolean {
    const own = this.#counter(source)
    const all = this.#counter(TOTAL)
    if (own.records >= SOURCE_RECORDS_PER_SECOND) return false
    if (all.records >= TOTAL_RECORDS_PER_SECOND) return false
    own.records += 1
    all.records += 1
    return true
  }

  /** A count that begins anew one second after its first record. */
  #counter(key: string): { records: number } {
    const known = this.#spent.get(key)
    if (known !== undefined) return known
    const counter = { records: 0 }
    this.#spent.set(key, counter)
    return counter
  }
}

/** A loopback address means the machine that says it: only our own may tell us one. */
function isNear({ scope }: Announced, { ownHost }: Origin): boolean {
  return scope === 'link' || scope === 'private' || (scope === 'loopback' && ownHost)
}

/** fe80::1 is another host on every link: the zone says on which, in our own names (RFC 4007). */
function inZone({ scope, ip, address }: Announced, zone: string): string {
  return scope === 'link' && ip.includes(':') ? `/ip6zone/${zone}${address}` : address
}
