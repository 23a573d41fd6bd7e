/**
 * Decides whether QUIC is behind the hub: listeners ask here for a socket, dials for a path.
 *
 * Without the hub the addon has its own sockets, which is three to six times as fast. A node that
 * others cannot reach needs one port for both directions more than it needs the speed, and moves
 * its listeners behind a hub each, at the port that they had.
 */

import { isIPv6 } from 'node:net'
import { type Clock, type Random, secureRandom } from '../base/index.ts'
import { scopeOf } from '../ip/index.ts'
import type { NetConfig } from './config.ts'
import { NetError, reasonOf } from './errors.ts'
import type { Facility } from './facility.ts'
import type { HubControl, PunchOptions } from './punching.ts'
import type { NativeServer } from './quic-addon.ts'
import type { QuicListener, QuicSocket } from './quic-listener.ts'
import { type HubPath, type HubStats, UdpHub } from './udp-hub.ts'
import type { HubLimits } from './udp-hub-core.ts'
import type { UdpEndpoint } from './udp-port.ts'

export interface QuicHubDeps {
  readonly clock: Clock
  readonly random?: Random
}

export type HubMode = NetConfig['hub']

type Listen = (ip: string, port: number) => NativeServer

const NOT_NEEDED: Facility = { state: 'off', reason: 'nothing says that a NAT is before this node' }
const NO_LISTENER = 'this node does not listen for QUIC'
const FORBIDDEN: Facility = {
  state: 'off',
  reason: 'the configuration says "never"',
  remedy: 'set hub in [network] to "auto" or "always"',
}
/** For goodbyes on their way through the hub. */
const GOODBYE_MS = 50
/** The addon lets go of its port a moment after it said so. */
const TRIES_MAX = 20
const RETRY_MS = 50

export class QuicHub implements HubControl {
  readonly #deps: QuicHubDeps
  readonly #mode: HubMode
  readonly #limits: HubLimits
  readonly #listeners = new Set<QuicListener>()
  readonly #hubs = new Set<UdpHub>()
  /** What hubs counted that are closed by now. */
  #past: HubStats = { gates: 0, dropped: {}, packets: { in: 0, out: 0 } }
  #isOn: boolean
  #failure: string | undefined
  #moving: Promise<void> | undefined

  constructor(deps: QuicHubDeps, mode: HubMode, limits: HubLimits) {
    this.#deps = deps
    this.#mode = mode
    this.#limits = limits
    this.#isOn = mode === 'always'
  }

  get active(): boolean {
    return this.#isOn && this.#moving === undefined && this.#hubs.size > 0
  }

  get facility(): Facility {
    if (this.active) return { state: 'active' }
    if (this.#mode === 'never') return FORBIDDEN
    if (this.#listeners.size === 0) return { state: 'off', reason: NO_LISTENER }
    if (this.#failure === undefined) return NOT_NEEDED
    const remedy = 'QUIC goes on without it; free the port, or restart the node'
    return { state: 'unavailable', reason: this.#failure, remedy }
  }

  async activate(): Promise<void> {
    if (this.#mode === 'never') throw NetError.HUB_UNAVAILABLE({ reason: FORBIDDEN.reason ?? '' })
    if (this.active) return
    if (this.#listeners.size === 0) {
      throw NetError.HUB_UNAVAILABLE({ reason: NO_LISTENER })
    }
    this.#moving ??= this.#move().finally(() => {
      this.#moving = undefined
    })
    await this.#moving
  }

  async punch(remote: UdpEndpoint, { signal }: PunchOptions): Promise<void> {
    const hub = this.active ? this.#hubTo(remote.host) : undefined
    if (hub === undefined) {
      const reason = this.active ? `no listener reaches ${remote.host}` : 'it is not active'
      throw NetError.HUB_UNAVAILABLE({ reason })
    }
    await hub.punch(remote, signal)
  }

  /** Gates that are open, and packets since the start. */
  stats(): HubStats {
    return [...this.#hubs].reduce((sum, hub) => added(sum, hub.stats()), this.#past)
  }

  /** Hubs that are open, such as for packets of other protocols than QUIC. */
  get hubs(): readonly UdpHub[] {
    return [...this.#hubs]
  }

  /** A socket to listen on: the addon's own, or one behind a new hub. */
  async bind(at: UdpEndpoint, listen: Listen): Promise<QuicSocket> {
    return this.#isOn ? this.#behindHub(at, listen) : this.#direct(at, listen)
  }

  /** Remembers a listener, to move it behind the hub later. */
  follow(listener: QuicListener): void {
    listener.addEventListener('listening', () => this.#listeners.add(listener))
    listener.addEventListener('close', () => this.#listeners.delete(listener))
  }

  /** How a dial reaches `remote` from our listening port; `undefined`: by a socket of its own. */
  async pathTo(remote: UdpEndpoint): Promise<HubPath | undefined> {
    return this.#isOn ? this.#hubTo(remote.host)?.dial(remote) : undefined
  }

  async #move(): Promise<void> {
    this.#isOn = true
    try {
      for (const listener of this.#listeners) await listener.relisten()
      this.#failure = undefined
    } catch (cause) {
      this.#isOn = false
      this.#failure = reasonOf(cause)
      await this.#moveBack()
      throw NetError.HUB_UNAVAILABLE({ reason: this.#failure }, cause)
    }
  }

  /** A listener that cannot have its port back is closed, and libp2p told so. */
  async #moveBack(): Promise<void> {
    for (const listener of [...this.#listeners]) {
      await listener.relisten().catch(() => listener.close())
    }
  }

  async #direct(at: UdpEndpoint, listen: Listen): Promise<QuicSocket> {
    const server = await this.#persist(async () => listen(at.host, at.port))
    return { server, port: server.port(), close: () => server.abort() }
  }

  async #behindHub(at: UdpEndpoint, listen: Listen): Promise<QuicSocket> {
    const server = listen('127.0.0.1', 0)
    const { clock, random = secureRandom } = this.#deps
    const hub = new UdpHub({ clock, random }, this.#limits)
    const close = async () => {
      this.#hubs.delete(hub)
      // The addon's goodbyes leave through the hub; whom they do not reach it would wait for.
      const gone = server.abort()
      try {
        // Together, for nobody hears of a failure of the one while the other is waited for.
        const goodbye = hub.stats().gates > 0 ? clock.sleep(GOODBYE_MS) : undefined
        await Promise.all([goodbye, Promise.race([gone, clock.sleep(GOODBYE_MS)])])
      } finally {
        await hub.close()
      }
      this.#past = added(this.#past, { ...hub.stats(), gates: 0 })
    }
    try {
      await this.#persist(() => hub.open(at, server.port()))
    } catch (error) {
      await close()
      throw error
    }
    this.#hubs.add(hub)
    const arrival = (port: number) => hub.arrival(port)
    return { server, port: hub.address.port, arrival, close }
  }

  /** Only while a port moves from one of our sockets to another is a busy one worth waiting for. */
  async #persist<T>(bind: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await bind()
      } catch (error) {
        if (this.#moving === undefined || tries >= TRIES_MAX) throw error
        await this.#deps.clock.sleep(RETRY_MS)
      }
    }
  }

  /** The hub of that version of IP; of several, the one that reaches as far as the target. */
  #hubTo(host: string): UdpHub | undefined {
    const scope = scopeOf(host)
    // A link-local address needs the zone that a dial of its own knows.
    if (scope === 'link') return undefined
    const fit = [...this.#hubs].filter(({ address: { host: own } }) => {
      if (isIPv6(own) !== isIPv6(host)) return false
      return isWildcard(own) || (scopeOf(own) === 'loopback') === (scope === 'loopback')
    })
    return fit.find(({ address }) => scopeOf(address.host) === scope) ?? fit[0]
  }
}

function added(a: HubStats, b: HubStats): HubStats {
  const reasons = [...new Set([...Object.keys(a.dropped), ...Object.keys(b.dropped)])]
  const both = (why: string) => (a.dropped[why] ?? 0) + (b.dropped[why] ?? 0)
  return {
    gates: a.gates + b.gates,
    dropped: Object.fromEntries(reasons.map((why) => [why, both(why)])),
    packets: { in: a.packets.in + b.packets.in, out: a.packets.out + b.packets.out },
  }
}

/** Limits of the hub that follow from those of connections: twice as many, for some are closing. */
export function hubLimitsOf(config: NetConfig): HubLimits {
  return {
    gatesMax: config.connectionsMax + config.pendingMax,
    gatesPerHostMax: 2 * config.connectionsPerHostMax,
    gatesPerSiteMax: 2 * config.connectionsPerSiteMax,
    opensPerSecondMax: config.inboundPerSecondMax,
    handshakeMs: config.addressTimeoutMs,
    idleMs: config.idleTimeoutMs + config.addressTimeoutMs,
  }
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
