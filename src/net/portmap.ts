/**
 * Ports of the router at home: asked for, renewed, given back.
 *
 * Behind a NAT nobody can dial us unless the router forwards a port. Most routers do when asked, by
 * PCP, NAT-PMP or UPnP. What they say is told to the rest of the node as a candidate: whether the
 * address really leads here is for others to find out by dialling it.
 */

import {
  type Clock,
  Emitter,
  every,
  type Logger,
  type Random,
  type Service,
} from '../base/index.ts'
import { scopeOf } from '../ip/index.ts'
import { reasonOf } from './errors.ts'
import type { Facility } from './facility.ts'
import { openNatPmp } from './nat-pmp-client.ts'
import { openPcp } from './pcp-client.ts'
import { openUdpExchange } from './portmap-exchange.ts'
import type { ListenedPort, MappingProtocol, OpenPortClient, Route } from './portmap-lease.ts'
import { mappedAddress, type PortMapping } from './portmap-mapping.ts'
import type { Routes } from './portmap-routes.ts'
import { PortmapSession, type SessionConfig } from './portmap-session.ts'
import { CONNECT, NOTHING_TO_MAP, statusOf } from './portmap-status.ts'

/** What the mapper tells: the addresses that routers forward to us, whenever they change. */
export interface PortMapperEvents {
  readonly mapped: { readonly addresses: readonly string[] }
}

/** What the mapper needs of the node. */
export interface PortMapperDeps {
  /** Which ports are listened on at this address of ours, now. */
  readonly ports: (local: string) => readonly ListenedPort[]
  readonly findRoutes: () => Promise<Routes>
  /** `portClients` has the real ones. */
  readonly open: Readonly<Partial<Record<MappingProtocol, OpenPortClient>>>
  readonly clock: Clock
  readonly log: Logger
}

export interface PortMapperConfig extends SessionConfig {
  /** How often routes and ports are looked at, and what is due is done. */
  readonly tickMs: number
  /** How long giving back may take when the node stops. */
  readonly stopTimeoutMs: number
}

/** An hour: what a node that is killed leaves behind is gone by then. */
export const PORT_MAPPER_CONFIG: PortMapperConfig = {
  leaseSeconds: 3_600,
  renewMinMs: 10_000,
  checkMs: 60_000,
  retryMs: 30_000,
  retryMaxMs: 900_000,
  tickMs: 5_000,
  stopTimeoutMs: 1_500,
}

/** Of one node; more would fill the table of a small router. */
const PORTS_MAX = 16
const ROUTES_MAX = 3

/** Keeps the node's ports mapped at whatever routers it is behind. */
export class PortMapper implements Service {
  readonly name = 'portmap'
  readonly events: Emitter<PortMapperEvents>
  readonly #deps: PortMapperDeps
  readonly #config: PortMapperConfig
  readonly #stopped = new AbortController()
  readonly #sessions = new Map<string, PortmapSession>()
  #found: Routes | undefined
  #announced = ''
  #running: Promise<void> = Promise.resolve()

  constructor(deps: PortMapperDeps, config: PortMapperConfig = PORT_MAPPER_CONFIG) {
    this.#deps = deps
    this.#config = config
    this.events = new Emitter((error) =>
      deps.log.error('listener of a mapping failed', { why: reasonOf(error) }),
    )
  }

  /** Returns at once: routers take their time, and the node works without them. */
  async start(): Promise<void> {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
    using deadline = this.#deps.clock.deadline(this.#config.stopTimeoutMs)
    await Promise.all([...this.#sessions.values()].map((one) => one.release(deadline.signal)))
    this.#sessions.clear()
  }

  /** What became of each port at each router. */
  mappings(): readonly PortMapping[] {
    return [...this.#sessions.values()].flatMap((session) => session.mappings())
  }

  /** Multiaddrs that routers forward to us, without our peer id. */
  addresses(): readonly string[] {
    return [...new Set(this.mappings().flatMap(mappedAddress))]
  }

  /** Whether ports are mapped; if not, why, and what would help. IPv4 decides where it is. */
  status(): Facility {
    const found = this.#found
    if (found === undefined) return { state: 'off', reason: 'no router was looked for yet' }
    const all = [...this.#sessions.values()]
    const ipv4 = all.filter(({ route }) => route.family === 4)
    const session = (ipv4.length > 0 ? ipv4 : all)[0]
    if (session !== undefined) return statusOf(session, this.#deps.ports(session.route.local))
    if (found.reason === undefined) return { state: 'off', reason: NOTHING_TO_MAP }
    return { state: 'unavailable', reason: found.reason, remedy: found.remedy ?? CONNECT }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    await this.#turn()
    await every(this.#deps.clock, this.#config.tickMs, () => this.#turn(), signal)
  }

  async #turn(): Promise<void> {
    const { signal } = this.#stopped
    try {
      this.#found = await this.#deps.findRoutes()
      signal.throwIfAborted()
      this.#follow(this.#found.routes)
      // All of them, for what is still under way when the node stops must be given back after.
      const tended = [...this.#sessions.values()].map((one) => this.#tend(one))
      for (const one of await Promise.allSettled(tended)) {
        if (one.status === 'rejected') throw one.reason
      }
    } catch (error) {
      if (!signal.aborted) this.#deps.log.warn('ports not mapped', { why: reasonOf(error) })
    }
    if (!signal.aborted) this.#announce()
  }

  /** A session for each router; one that is gone cannot be given anything back. */
  #follow(routes: readonly Route[]): void {
    const { clock, log, open } = this.#deps
    const wanted = new Map(routes.filter(needsMapping).slice(0, ROUTES_MAX).map(keyed))
    for (const [key, session] of this.#sessions) {
      if (wanted.has(key)) continue
      this.#sessions.delete(key)
      session.abandon()
    }
    for (const [key, route] of wanted) {
      if (this.#sessions.has(key)) continue
      const own = route.family === 6 ? { pcp: open.pcp } : open
      const session = new PortmapSession({ clock, log, open: own }, route, this.#config)
      this.#sessions.set(key, session)
    }
  }

  #announce(): void {
    const addresses = this.addresses()
    const announced = addresses.join(' ')
    if (announced === this.#announced) return
    this.#announced = announced
    this.#deps.log.info('addresses at the router', { addresses })
    this.events.emit('mapped', { addresses })
  }

  async #tend(session: PortmapSession): Promise<void> {
    const ports = this.#deps.ports(session.route.local).slice(0, PORTS_MAX)
    await session.tend(ports, this.#stopped.signal)
  }
}

/** The real clients; UPnP and its XML are loaded when a router is first asked in it. */
export function portClients(deps: {
  readonly clock: Clock
  readonly random: Random
}): Record<MappingProtocol, OpenPortClient> {
  const udp = { ...deps, openExchange: openUdpExchange }
  return {
    pcp: (route) => openPcp(udp, route),
    'nat-pmp': (route) => openNatPmp(udp, route),
    upnp: async (route, signal) => {
      const [{ openUpnp }, { findGateway }, { askHttp }] = await Promise.all([
        import('./upnp-client.ts'),
        import('./upnp-ssdp.ts'),
        import('./upnp-http.ts'),
      ])
      return openUpnp({ ...deps, find: findGateway, askHttp }, route, signal)
    },
  }
}

/** IPv4 with a public address is behind no NAT; IPv6 may be behind a firewall all the same. */
function needsMapping({ family, local }: Route): boolean {
  return family === 6 || scopeOf(local) !== 'global'
}

function keyed(route: Route): [string, Route] {
  return [`${route.router} ${route.local}`, route]
}
