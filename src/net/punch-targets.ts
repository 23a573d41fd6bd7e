/**
 * Which addresses of a peer are worth a punch, and may have one: whoever asks us to send packets
 * somewhere must not make us knock at others' doors. Sans I/O.
 */

import type { Scope } from '../ip/index.ts'
import { type Address, parseAny, reaches, scopeOfAddress } from './transports.ts'

export type PunchKind = 'quic' | 'tcp'

/** Which kind is tried when. */
const ORDER: readonly PunchKind[] = ['quic', 'tcp', 'quic']
export const TRIES_MAX = ORDER.length

export interface TargetRules {
  readonly kind: PunchKind | undefined
  /** How far an address must reach. */
  readonly scope: Scope
  /** IP addresses that others see us at: a peer at one of them is behind the same router. */
  readonly ours: ReadonlySet<string>
}

const TARGETS_MAX = 4
const SYSTEM_PORT_MAX = 1_023

/** Up to four addresses out of what a peer told us. */
export function punchTargets(told: readonly string[], rules: TargetRules): readonly Address[] {
  const all = told.flatMap(tryParse).filter(({ transport, host, port = 0 }) => {
    const isIp = host?.kind === 'ip4' || host?.kind === 'ip6'
    const isKind = rules.kind === undefined ? isPunchable(transport) : transport === rules.kind
    return isIp && isKind && isPunchable(transport) && port > SYSTEM_PORT_MAX
  })
  const isNeighbour = all.some(({ host }) => rules.ours.has(host?.value ?? ''))
  const fine = all.filter((address) => {
    if (reaches(address, rules.scope)) return true
    return isNeighbour && scopeOfAddress(address) === 'private'
  })
  const unique = new Map(fine.map((address) => [address.text, address]))
  return [...unique.values()].slice(0, TARGETS_MAX)
}

/**
 * The kinds of up to three tries, one after the other. Where one kind turns out to be `vain`, for
 * one of the two has no port for it, the other one takes all of its tries.
 */
export function* kindsToTry(vain: ReadonlySet<PunchKind>): Generator<PunchKind, void> {
  for (const wanted of ORDER) {
    for (let isTried = false; !isTried; ) {
      const kind = [wanted, ...ORDER].find((one) => !vain.has(one))
      if (kind === undefined) return
      yield kind
      isTried = !vain.has(kind)
    }
  }
}

/** The IP addresses in a list of multiaddrs. */
export function ipsOf(addresses: readonly string[]): ReadonlySet<string> {
  return new Set(addresses.map((text) => parseAny(text).host?.value ?? ''))
}

function isPunchable(transport: Address['transport']): boolean {
  return transport === 'quic' || transport === 'tcp'
}

function tryParse(text: string): readonly Address[] {
  try {
    return [parseAny(text)]
  } catch {
    return []
  }
}
