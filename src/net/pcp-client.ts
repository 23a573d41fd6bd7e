/** Ports by PCP: one router, IPv4 behind a NAT or IPv6 behind a firewall. */

import { type Clock, equalBytes, type Random } from '../base/index.ts'
import { NetError } from './errors.ts'
import {
  decodePcpAnswer,
  type Epoch,
  encodePcpAnnounce,
  encodePcpMap,
  isPcpEpochKept,
  PCP_NONCE_BYTES,
  PCP_PORT,
  type PcpAnswer,
  pcpReason,
} from './pcp.ts'
import type { Exchange, OpenExchange } from './portmap-exchange.ts'
import type { PortClient, PortGrant, PortWanted, Route } from './portmap-lease.ts'

/** What a client needs of the node. */
export interface UdpClientDeps {
  readonly clock: Clock
  readonly random: Random
  readonly openExchange: OpenExchange
}

/** A client for `route`; whether the router speaks PCP shows at the first question. */
export async function openPcp(deps: UdpClientDeps, route: Route): Promise<PcpClient> {
  return new PcpClient(deps, route, await deps.openExchange(route, PCP_PORT, deps.clock))
}

/** A nonce is kept for each port: who does not know it cannot take the mapping away (§11.3). */
export class PcpClient implements PortClient {
  readonly via = 'pcp'
  readonly #deps: Pick<UdpClientDeps, 'clock' | 'random'>
  readonly #route: Route
  readonly #exchange: Exchange
  readonly #nonces = new Map<string, Uint8Array>()
  #epoch: Epoch | undefined

  constructor(deps: Pick<UdpClientDeps, 'clock' | 'random'>, route: Route, exchange: Exchange) {
    this.#deps = deps
    this.#route = route
    this.#exchange = exchange
  }

  async map(wanted: PortWanted, signal: AbortSignal): Promise<PortGrant> {
    const answer = await this.#ask(wanted, signal)
    const { result, externalHost, externalPort, lifetimeSeconds } = answer
    if (result !== 0 || externalPort === 0) {
      const { protocol, internalPort: port } = wanted
      throw NetError.MAPPING_REFUSED({ via: 'PCP', protocol, port, reason: pcpReason(result) })
    }
    return { externalHost, externalPort, lifetimeSeconds, restarted: this.#restarted(answer) }
  }

  async unmap(wanted: PortWanted, signal: AbortSignal): Promise<void> {
    await this.#ask({ ...wanted, lifetimeSeconds: 0 }, signal)
    this.#nonces.delete(keyOf(wanted))
  }

  async hasRestarted(signal: AbortSignal): Promise<boolean> {
    const answer = await this.#exchange.ask(
      encodePcpAnnounce(this.#route.local),
      (bytes) => {
        const read = decodePcpAnswer(bytes)
        return read?.kind === 'announce' ? read : undefined
      },
      signal,
    )
    if (answer === undefined) throw this.#unusable('no answer')
    return this.#restarted(answer)
  }

  close(): void {
    this.#exchange.close()
  }

  async #ask(wanted: PortWanted, signal: AbortSignal): Promise<PcpAnswer & { kind: 'map' }> {
    const nonce = this.#nonces.get(keyOf(wanted)) ?? this.#deps.random.bytes(PCP_NONCE_BYTES)
    this.#nonces.set(keyOf(wanted), nonce)
    const request = encodePcpMap({ ...wanted, clientHost: this.#route.local, nonce })
    const read = (bytes: Uint8Array) => answering(bytes, wanted, nonce)
    const answer = await this.#exchange.ask(request, read, signal)
    if (answer === undefined) throw this.#unusable('no answer')
    if (answer.kind !== 'map') throw this.#unusable(`it speaks version ${answer.version} alone`)
    return answer
  }

  /** Takes note of the router's clock; whether it shows that what it gave before is gone. */
  #restarted({ epochSeconds }: { epochSeconds: number }): boolean {
    const now = { routerSeconds: epochSeconds, ourSeconds: this.#deps.clock.now() / 1_000 }
    const before = this.#epoch
    this.#epoch = now
    return before !== undefined && !isPcpEpochKept(before, now)
  }

  #unusable(reason: string): Error {
    return NetError.ROUTER_UNUSABLE({ router: this.#route.router, via: 'PCP', reason })
  }
}

/** The answer to this very request; anything else is somebody else's, or made up. */
function answering(bytes: Uint8Array, wanted: PortWanted, nonce: Uint8Array) {
  const answer = decodePcpAnswer(bytes)
  if (answer?.kind === 'other-version') return answer
  if (answer?.kind !== 'map' || !equalBytes(answer.nonce, nonce)) return undefined
  const isOurs = answer.protocol === wanted.protocol && answer.internalPort === wanted.internalPort
  return isOurs ? answer : undefined
}

function keyOf({ protocol, internalPort }: PortWanted): string {
  return `${protocol} ${internalPort}`
}
