/**
 * One router: which protocol it speaks, what it gave, and what is due next. Sans I/O: the clients
 * are handed in, and the clock says what time it is.
 *
 * PCP is asked first, then NAT-PMP, then UPnP; the first that maps a port is kept. A lease is
 * renewed at half of its life. A router that has restarted, or is silent three times in a row, is
 * asked for everything again.
 */

import { type Clock, hasCode, type Logger } from '../base/index.ts'
import { NetError, reasonOf } from './errors.ts'
import {
  type LeaseConfig,
  type ListenedPort,
  leaseTimes,
  MAPPING_PROTOCOLS,
  type MappingProtocol,
  type OpenPortClient,
  type PortClient,
  type PortWanted,
  type Route,
  retryAtMs,
} from './portmap-lease.ts'
import { describeLease, type Lease, type PortMapping } from './portmap-mapping.ts'

/** What a protocol said when it was not chosen. */
export interface Tried {
  readonly via: MappingProtocol
  readonly reason: string
}

export interface SessionDeps {
  readonly clock: Clock
  readonly log: Logger
  /** In the order in which they are tried. */
  readonly open: Readonly<Partial<Record<MappingProtocol, OpenPortClient | undefined>>>
}

export interface SessionConfig extends LeaseConfig {
  /** How often a router is asked whether it still knows us. */
  readonly checkMs: number
  /** The pause after a failure; it doubles up to `retryMaxMs`. */
  readonly retryMs: number
  readonly retryMaxMs: number
}

const SILENCES_MAX = 3

/** One router, from the first question to the last port given back. */
export class PortmapSession {
  readonly route: Route
  readonly #deps: SessionDeps
  readonly #config: SessionConfig
  readonly #leases = new Map<string, Lease>()
  #tried: readonly Tried[] = []
  #client: PortClient | undefined
  #chooseAtMs = 0
  #checkAtMs = 0
  #failures = 0
  #silences = 0

  constructor(deps: SessionDeps, route: Route, config: SessionConfig) {
    this.#deps = deps
    this.route = route
    this.#config = config
  }

  /** Whether a protocol was found that maps ports. */
  get works(): boolean {
    return this.#client !== undefined
  }

  /** Why the protocols that were asked last are not used. */
  get tried(): readonly Tried[] {
    return this.#tried
  }

  mappings(): readonly PortMapping[] {
    const now = this.#deps.clock.now()
    const via = this.#client?.via ?? null
    return [...this.#leases.values()].map((lease) => describeLease(lease, this.route, via, now))
  }

  /** Does what is due for these ports; only an abort makes it reject. */
  async tend(ports: readonly ListenedPort[], signal: AbortSignal): Promise<void> {
    const now = this.#deps.clock.now()
    if (this.#client === undefined) {
      if (now < this.#chooseAtMs || ports.length === 0) return
      await this.#choose(ports, signal)
    }
    if (this.#client === undefined) return
    await this.#dropUnwanted(ports, this.#client, signal)
    if (now >= this.#checkAtMs) await this.#check(this.#client, signal)
    for (const port of ports) await this.#renewWhenDue(port, signal)
  }

  /** Gives back whatever was asked for, also what was never confirmed, until `signal` aborts. */
  async release(signal: AbortSignal): Promise<void> {
    const client = this.#client
    this.#client = undefined
    try {
      for (const lease of client === undefined ? [] : this.#leases.values()) {
        await client?.unmap(this.#wanted(lease), signal)
      }
    } catch (error) {
      const { router } = this.route
      this.#deps.log.info('mappings left to expire', { router, reason: reasonOf(error) })
    }
    this.#leases.clear()
    client?.close()
  }

  /** Ends without a word: the router is not ours any more. */
  abandon(): void {
    this.#client?.close()
    this.#client = undefined
    this.#leases.clear()
  }

  async #choose(ports: readonly ListenedPort[], signal: AbortSignal): Promise<void> {
    const { clock, log, open } = this.#deps
    const [first] = ports
    const tried: Tried[] = []
    for (const via of MAPPING_PROTOCOLS) {
      const openClient = open[via]
      if (openClient === undefined) continue
      let client: PortClient | undefined
      try {
        client = await openClient(this.route, signal)
        // Known before it is asked: what is under way when the node stops is given back as well.
        this.#client = client
        if (first !== undefined) await this.#map(client, this.#leaseOf(first), signal)
        this.#take()
        log.info('router maps ports', { router: this.route.router, via })
        break
      } catch (error) {
        signal.throwIfAborted()
        client?.close()
        this.#client = undefined
        tried.push({ via, reason: plainReason(error) })
      }
    }
    this.#tried = tried
    if (this.#client !== undefined) return
    this.#chooseAtMs = clock.now() + this.#pauseMs(this.#failures)
    this.#failures += 1
    // A lease holds until it ends, whether the router answers or not.
    for (const [key, lease] of this.#leases) {
      if (lease.expiresAtMs <= clock.now()) this.#leases.delete(key)
    }
    log.debug('router maps no ports', { router: this.route.router, tried })
  }

  #take(): void {
    this.#failures = 0
    this.#silences = 0
    this.#checkAtMs = this.#deps.clock.now() + this.#config.checkMs
    // What another protocol gave is not for this one to renew.
    for (const lease of this.#leases.values()) if (lease.grant === undefined) lease.dueAtMs = 0
  }

  async #dropUnwanted(
    ports: readonly ListenedPort[],
    client: PortClient,
    signal: AbortSignal,
  ): Promise<void> {
    const wanted = new Set(ports.map(keyOf))
    for (const [key, lease] of this.#leases) {
      if (wanted.has(key)) continue
      this.#leases.delete(key)
      await this.#attempt(() => client.unmap(this.#wanted(lease), signal), signal)
    }
  }

  async #check(client: PortClient, signal: AbortSignal): Promise<void> {
    this.#checkAtMs = this.#deps.clock.now() + this.#config.checkMs
    await this.#attempt(async () => {
      if (await client.hasRestarted(signal)) this.#forgotten()
    }, signal)
  }

  #forgotten(): void {
    this.#deps.log.info('router has restarted; ports are asked for again', {
      router: this.route.router,
    })
    for (const lease of this.#leases.values()) lease.dueAtMs = 0
  }

  async #renewWhenDue(port: ListenedPort, signal: AbortSignal): Promise<void> {
    const client = this.#client
    const lease = this.#leaseOf(port)
    const { clock, log } = this.#deps
    if (client === undefined || clock.now() < lease.dueAtMs) return
    const failure = await this.#attempt(() => this.#map(client, lease, signal), signal)
    if (failure === undefined) return
    const now = clock.now()
    lease.reason = plainReason(failure)
    lease.dueAtMs = retryAtMs(lease.expiresAtMs, this.#pauseMs(lease.failures), now)
    lease.failures += 1
    log.debug('port not mapped', { ...port, via: client.via, reason: lease.reason })
  }

  /** Asks for one port and takes note of the answer; rejects when it is none that helps. */
  async #map(client: PortClient, lease: Lease, signal: AbortSignal): Promise<void> {
    const grant = await client.map(this.#wanted(lease), signal)
    const { clock } = this.#deps
    const times = leaseTimes(grant.lifetimeSeconds, this.#config, clock.now())
    if (times === undefined) {
      const { protocol, port } = lease.port
      const reason = `it gives ports for ${grant.lifetimeSeconds} s, too short to be renewed`
      throw NetError.MAPPING_REFUSED({ via: client.via, protocol, port, reason })
    }
    if (grant.restarted) this.#forgotten()
    lease.grant = grant
    lease.expiresAtMs = times.expiresAtMs
    lease.dueAtMs = times.renewAtMs
    lease.failures = 0
    lease.reason = null
  }

  /** Work with the router; a few silences in a row end the session. Gives back what failed. */
  async #attempt(work: () => Promise<void>, signal: AbortSignal): Promise<unknown> {
    try {
      await work()
      this.#silences = 0
      return undefined
    } catch (error) {
      signal.throwIfAborted()
      this.#silences = hasCode(error, 'NET_ROUTER_UNUSABLE') ? this.#silences + 1 : 0
      if (this.#silences >= SILENCES_MAX) this.#giveUp(plainReason(error))
      return error
    }
  }

  #giveUp(reason: string): void {
    const client = this.#client
    if (client === undefined) return
    this.#deps.log.info('router does not answer any more', { router: this.route.router, reason })
    client.close()
    this.#client = undefined
    this.#chooseAtMs = this.#deps.clock.now() + this.#config.retryMs
    this.#tried = [{ via: client.via, reason }]
    for (const lease of this.#leases.values()) lease.dueAtMs = 0
  }

  #leaseOf(port: ListenedPort): Lease {
    const known = this.#leases.get(keyOf(port))
    if (known !== undefined) return known
    const none = { grant: undefined, expiresAtMs: 0, dueAtMs: 0, failures: 0, reason: null }
    const lease: Lease = { port, ...none }
    this.#leases.set(keyOf(port), lease)
    return lease
  }

  #wanted({ port, grant }: Lease): PortWanted {
    return {
      protocol: port.protocol,
      internalPort: port.port,
      externalPort: grant?.externalPort ?? port.port,
      externalHost: grant?.externalHost,
      lifetimeSeconds: this.#config.leaseSeconds,
    }
  }

  #pauseMs(failures: number): number {
    const { retryMs, retryMaxMs } = this.#config
    return Math.min(retryMaxMs, retryMs * 2 ** Math.min(failures, 16))
  }
}

/** The part of a message that says why: the rest names what the reader knows. */
function plainReason(error: unknown): string {
  const facts = error instanceof Error && 'facts' in error ? error.facts : undefined
  const hasReason = typeof facts === 'object' && facts !== null && 'reason' in facts
  return hasReason && typeof facts.reason === 'string' ? facts.reason : reasonOf(error)
}

function keyOf({ protocol, port }: ListenedPort): string {
  return `${protocol} ${port}`
}
