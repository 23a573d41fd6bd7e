/**
 * Sybils around one key: ids that were tried until they lay closer to it than any honest node.
 *
 * An id is as good as its hash, so an attacker makes keys until enough of them hash to where it
 * wants to be: some hundred thousand tries in a network of ten thousand, seconds of one core. What
 * costs more are addresses: they come from a few networks, or from many.
 */

import { hash } from 'node:crypto'
import type { Contact, DhtKey } from '../../../src/dht/key.ts'
import type { Chance } from './chance.ts'
import { type Guest, madeUpContact, madeUpId, publicHost } from './world.ts'

export interface SybilPlan {
  readonly target: DhtKey
  readonly count: number
  /** Share of the space around the target in which no honest node lies. */
  readonly within: number
}

/** Beyond this the nearest honest node lies too close to be outdone by trying. */
const TRIES_MAX = 20_000_000
/** Where in an id the count of tries goes: behind its head. */
const TRY_AT = 2
const HEAD = 2 ** 48

/** Fewer than asked for when trying takes too long. */
export function idsAround({ target, count, within }: SybilPlan, draw: Chance): Contact[] {
  const aim = Buffer.from(target).readUIntBE(0, 6)
  const bytes = Buffer.from(madeUpId(draw))
  const found: Contact[] = []
  for (let tries = 0; found.length < count && tries < TRIES_MAX; tries += 1) {
    bytes.writeUInt32BE(tries, TRY_AT)
    const head = hash('sha256', bytes, 'buffer').readUIntBE(0, 6)
    if (xor48(head, aim) >= within * HEAD) continue
    found.push(madeUpContact(Uint8Array.from(bytes)))
  }
  return found
}

/** Sybils with these ids, at addresses of so many networks of /16. */
export function sybilsAt(ids: readonly Contact[], sites: number, draw: Chance): Guest[] {
  const hosts = Array.from({ length: sites }, () => publicHost(draw))
  return ids.map((contact, i) => {
    return { contact, host: hostIn(hosts[i % sites] ?? '', draw), honest: false }
  })
}

/** Another address of the same /16. */
function hostIn(host: string, draw: Chance): string {
  const [first, second] = host.split('.')
  return `${first}.${second}.${draw.int(256)}.${1 + draw.int(254)}`
}

/** Bitwise operators know 32 bits only. */
function xor48(a: number, b: number): number {
  const high = (Math.floor(a / 2 ** 24) ^ Math.floor(b / 2 ** 24)) * 2 ** 24
  return high + ((a % 2 ** 24) ^ (b % 2 ** 24))
}
