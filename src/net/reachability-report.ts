/** What is known of how others reach us, as it is shown. Sans I/O. */

import type { Believed, Mapping } from './observed.ts'
import type { AddressVerdict, Verdict } from './verdict.ts'

export interface ReachabilityReport {
  readonly verdict: Verdict
  /** Why, in a sentence. */
  readonly reason: string
  /** Each address that others might dial, with what was tried there. */
  readonly addresses: readonly AddressVerdict[]
  /** Ports of ours as others see them. */
  readonly observed: readonly Believed[]
  readonly nat: {
    /** Whether there is a NAT between us and others; undefined while nobody said. */
    readonly found?: boolean | undefined
    /** Our address on its other side. */
    readonly ip?: string | undefined
    readonly quic: Mapping
    readonly tcp: Mapping
  }
}

/** Why a verdict is what it is, in a sentence. */
export function reasonFor(
  verdict: Verdict,
  { addresses, natIp }: { addresses: readonly AddressVerdict[]; natIp: Believed | undefined },
): string {
  const best = addresses.find((one) => one.verdict === verdict)
  if (verdict === 'public' && best !== undefined) {
    return `${best.reached} of ${best.wanted} wanted networks reached ${best.address}`
  }
  const behind = natIp === undefined ? '' : `others see us as ${natIp.ip}, which is a router's`
  if (verdict === 'private') {
    const missed = best === undefined ? '' : `${best.missed} networks did not reach ${best.address}`
    return [behind, missed].filter((text) => text !== '').join('; ')
  }
  return 'nobody beyond this network has tried to reach us yet'
}

/** One port as a multiaddr. */
export function textOf({
  transport,
  ip,
  port,
}: Pick<Believed, 'transport' | 'ip'> & { port: number }) {
  const family = ip.includes(':') ? 'ip6' : 'ip4'
  return `/${family}/${ip}/${transport === 'quic' ? `udp/${port}/quic-v1` : `tcp/${port}`}`
}
