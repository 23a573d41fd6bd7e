/** Listening: on which addresses, which are missing on this machine, and what that means. */

import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from '../base/index.ts'
import { listenAddresses, listenIsDefault, type NetConfig } from './config.ts'
import { NetError, reasonOf } from './errors.ts'
import type { Facility } from './facility.ts'
import type { NetServices } from './libp2p.ts'
import { type ListenPlan, type PortMove, type Probe, planListening } from './ports.ts'
import { parseAny } from './transports.ts'

export interface ListeningDeps {
  readonly listener: Pick<NetServices['listening'], 'listen'>
  readonly quic: Facility
  readonly probe: Probe
  readonly log: Logger
}

export class Listening {
  readonly #deps: ListeningDeps
  readonly #config: NetConfig
  #unavailable: ListenPlan['unavailable'] = []
  #quicListens = false

  constructor(deps: ListeningDeps, config: NetConfig) {
    this.#deps = deps
    this.#config = config
  }

  /** Whether QUIC works on this machine, and what would help if not. */
  quic(): Facility {
    const { quic } = this.#deps
    if (quic.state !== 'active' || this.#quicListens) return quic
    return { state: 'off', reason: 'no address with /quic-v1 is listened on' }
  }

  /** Whether this machine has IPv6; `off` when nobody asked to listen on it. */
  ipv6(): Facility {
    const missing = this.#unavailable.find(({ address }) => address.startsWith('/ip6/'))
    if (missing !== undefined) {
      const remedy = 'enable IPv6 on this machine, or go on with IPv4 alone'
      return { state: 'unavailable', reason: missing.reason, remedy }
    }
    const asked = listenAddresses(this.#config).some((address) => address.startsWith('/ip6/'))
    return { state: asked ? 'active' : 'off' }
  }

  /** Listens, and says which default ports were busy. */
  async begin(): Promise<readonly PortMove[]> {
    const { listener, log, probe, quic } = this.#deps
    const wanted = listenAddresses(this.#config)
    const usable = wanted.filter((text) => quic.state === 'active' || !isQuic(text))
    const plan = await planListening(usable, listenIsDefault(this.#config), probe)
    try {
      await listener.listen(plan.listen.map((text) => multiaddr(text)))
    } catch (cause) {
      const address = plan.listen.join(', ')
      throw NetError.LISTEN_FAILED({ address, reason: reasonOf(cause) }, cause)
    }
    this.#unavailable = plan.unavailable
    this.#quicListens = plan.listen.some(isQuic)
    for (const { address, reason } of plan.unavailable) {
      log.warn('address left out', { address, reason })
    }
    for (const move of plan.moved) {
      log.info('default port was busy, another was taken', { ...move })
    }
    return plan.moved
  }
}

function isQuic(text: string): boolean {
  return parseAny(text).transport === 'quic'
}
