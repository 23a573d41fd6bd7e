/** Ports by NAT-PMP: one IPv4 router. */

import type { Clock } from '../base/index.ts'
import { NetError } from './errors.ts'
import {
  decodeNatPmpAnswer,
  encodeNatPmpAddress,
  encodeNatPmpMap,
  isNatPmpEpochKept,
  NAT_PMP_PORT,
  type NatPmpAnswer,
  natPmpReason,
} from './nat-pmp.ts'
import type { Epoch } from './pcp.ts'
import type { UdpClientDeps } from './pcp-client.ts'
import type { Exchange } from './portmap-exchange.ts'
import type { PortClient, PortGrant, PortWanted, Route } from './portmap-lease.ts'

/** A client for `route`; whether the router speaks NAT-PMP shows at the first question. */
export async function openNatPmp(
  deps: Omit<UdpClientDeps, 'random'>,
  route: Route,
): Promise<NatPmpClient> {
  return new NatPmpClient(deps, route, await deps.openExchange(route, NAT_PMP_PORT, deps.clock))
}

/** Answers carry no nonce: the router's own address and the port asked for are all that binds. */
export class NatPmpClient implements PortClient {
  readonly via = 'nat-pmp'
  readonly #clock: Clock
  readonly #route: Route
  readonly #exchange: Exchange
  #epoch: Epoch | undefined
  #externalHost: string | undefined

  constructor({ clock }: { readonly clock: Clock }, route: Route, exchange: Exchange) {
    this.#clock = clock
    this.#route = route
    this.#exchange = exchange
  }

  async map(wanted: PortWanted, signal: AbortSignal): Promise<PortGrant> {
    const forgot = await this.hasRestarted(signal)
    const { protocol, internalPort: port } = wanted
    const refused = (reason: string) =>
      NetError.MAPPING_REFUSED({ via: 'NAT-PMP', protocol, port, reason })
    const answer = await this.#askMap(wanted, signal)
    if (answer.kind === 'refused') throw refused(natPmpReason(answer.result))
    if (answer.externalPort === 0 || this.#externalHost === undefined)
      throw refused(natPmpReason(0))
    const restarted = this.#restarted(answer) || forgot
    const { externalPort, lifetimeSeconds } = answer
    return { externalHost: this.#externalHost, externalPort, lifetimeSeconds, restarted }
  }

  async unmap(wanted: PortWanted, signal: AbortSignal): Promise<void> {
    // RFC 6886 §3.4: both must be zero for the router to take it away.
    await this.#askMap({ ...wanted, externalPort: 0, lifetimeSeconds: 0 }, signal)
  }

  /** A new external address means new mappings as well. */
  async hasRestarted(signal: AbortSignal): Promise<boolean> {
    const answer = await this.#ask(encodeNatPmpAddress(), 'address', signal)
    if (answer.kind === 'refused') throw this.#unusable(natPmpReason(answer.result))
    if (answer.kind !== 'address') throw this.#unusable('no answer')
    const moved = this.#externalHost !== undefined && this.#externalHost !== answer.externalHost
    this.#externalHost = answer.externalHost
    return this.#restarted(answer) || moved
  }

  close(): void {
    this.#exchange.close()
  }

  async #askMap(wanted: PortWanted, signal: AbortSignal) {
    const isOurs = (answer: NatPmpAnswer) =>
      answer.kind !== 'map' || answer.internalPort === wanted.internalPort
    const request = encodeNatPmpMap(wanted)
    const answer = await this.#ask(request, wanted.protocol, signal, isOurs)
    if (answer.kind === 'address') throw this.#unusable('no answer')
    return answer
  }

  async #ask(
    request: Uint8Array,
    asked: 'address' | 'tcp' | 'udp',
    signal: AbortSignal,
    isOurs: (answer: NatPmpAnswer) => boolean = () => true,
  ): Promise<NatPmpAnswer> {
    const read = (bytes: Uint8Array) => {
      const answer = decodeNatPmpAnswer(bytes)
      return answer !== undefined && aboutOf(answer) === asked && isOurs(answer)
        ? answer
        : undefined
    }
    const answer = await this.#exchange.ask(request, read, signal)
    if (answer === undefined) throw this.#unusable('no answer')
    return answer
  }

  #restarted({ epochSeconds }: { epochSeconds: number }): boolean {
    const now = { routerSeconds: epochSeconds, ourSeconds: this.#clock.now() / 1_000 }
    const before = this.#epoch
    this.#epoch = now
    return before !== undefined && !isNatPmpEpochKept(before, now)
  }

  #unusable(reason: string): Error {
    return NetError.ROUTER_UNUSABLE({ router: this.#route.router, via: 'NAT-PMP', reason })
  }
}

function aboutOf(answer: NatPmpAnswer): 'address' | 'tcp' | 'udp' {
  if (answer.kind === 'refused') return answer.asked
  return answer.kind === 'address' ? 'address' : answer.protocol
}
