/**
 * Which addresses of a peer are worth a punch, and may have one: whoever asks us to send packets
 * somewhere must not make us knock at others' doors. Sans I/O.
 */

import type { Scope } from '../ip/index.ts'
import { type Address, parseAny, reaches, scopeOfAddress } from './transports.ts'

export type PunchKind = 'quic' | 'tcp'

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
