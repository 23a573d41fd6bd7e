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
  readonly listener: Pick<NetServices['listening'], 'listen' | 'end'>
  readonly quic: Facility
  readonly probe: Probe
  readonly log: Logger
}

/** Another program may take a port between the look and the listening: so often we look. */
const TRIES_MAX = 8
const REASON_CHARS_MAX = 300

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
    const { log } = this.#deps
    const plan = await this.#listen()
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

  async #listen(): Promise<ListenPlan> {
    const { listener, probe, quic, log } = this.#deps
    const wanted = listenAddresses(this.#config)
    const usable = wanted.filter((text) => quic.state === 'active' || !isQuic(text))
    for (let tries = 1; ; tries += 1) {
      const plan = await planListening(usable, listenIsDefault(this.#config), probe)
      try {
        await listener.listen(plan.listen.map((text) => multiaddr(text)))
        return plan
      } catch (cause) {
        const [address, reason] = [plan.listen.join(', '), whyNot(cause)]
        await listener.end()
        if (tries === TRIES_MAX) throw NetError.LISTEN_FAILED({ address, reason }, cause)
        log.debug('not listening yet', { address, reason })
      }
    }
  }
}

/** libp2p's first sentence is of settings that nobody has here; why is below, by address. */
function whyNot(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  const [, ...lines] = text.split('\n').map((line) => line.trim())
  const told = lines.filter((line) => line !== '').join('; ')
  return told === '' ? reasonOf(cause) : told.slice(0, REASON_CHARS_MAX)
}

function isQuic(text: string): boolean {
  return parseAny(text).transport === 'quic'
}
