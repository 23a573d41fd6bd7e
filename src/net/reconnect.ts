/**
 * When the network under this machine changes, and what to do at once.
 *
 * Nobody tells a program that its addresses changed or that the machine slept, so both are looked
 * for: the addresses every few seconds, and sleep as time that passed between two looks. After
 * either, every open connection must answer a ping soon, or it is closed: one whose local address
 * is gone would otherwise seem alive for up to a minute.
 */

import { type Clock, Emitter, every, type Logger, race, type Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { reasonOf } from './errors.ts'
import type { Host } from './host.ts'

const LOOK_MS = 2_000
/** More than this beyond the pause is no busy machine, but one that slept. */
const JUMP_MS = 10_000
const PROBE_MS = 3_000
const PROBES_AT_ONCE = 16

/** What changed, with the addresses of this machine that came and went. */
export interface NetworkChange {
  readonly kind: 'addresses' | 'woke'
  readonly appeared: readonly string[]
  readonly vanished: readonly string[]
}

export interface NetworkWatchDeps {
  readonly host: Probed
  /** Addresses of this machine that others could reach, as text, in any order. */
  readonly addresses: () => readonly string[]
  readonly clock: Clock
  readonly log: Logger
}

/** What a probe needs of the host. */
export type Probed = Pick<Host, 'connections' | 'ping' | 'disconnect'>

/** Tells of changes of this machine's network, and ends the connections that died with them. */
export class NetworkWatch implements Service {
  readonly name = 'network-watch'
  readonly events: Emitter<{ readonly changed: NetworkChange }>
  readonly #deps: NetworkWatchDeps
  readonly #stopped = new AbortController()
  #known: ReadonlySet<string> = new Set()
  #lookedAtMs = 0
  #running: Promise<void> = Promise.resolve()

  constructor(deps: NetworkWatchDeps) {
    this.#deps = deps
    this.events = new Emitter((error) =>
      deps.log.error('listener of a network change failed', { why: reasonOf(error) }),
    )
  }

  async start(): Promise<void> {
    const { clock } = this.#deps
    this.#known = this.#look() ?? new Set()
    this.#lookedAtMs = clock.now()
    this.#running = every(clock, LOOK_MS, () => this.#compare(), this.#stopped.signal)
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  #compare(): void {
    const { clock, log } = this.#deps
    const sleptMs = clock.now() - this.#lookedAtMs - LOOK_MS
    this.#lookedAtMs = clock.now()
    const now = this.#look() ?? this.#known
    const before = this.#known
    this.#known = now
    const appeared = [...now].filter((address) => !before.has(address))
    const vanished = [...before].filter((address) => !now.has(address))
    const isOther = appeared.length + vanished.length > 0
    if (!isOther && sleptMs < JUMP_MS) return
    const change: NetworkChange = { kind: isOther ? 'addresses' : 'woke', appeared, vanished }
    log.info('the network of this machine changed', { ...change })
    this.events.emit('changed', change)
    void this.#probeAll()
  }

  #look(): ReadonlySet<string> | undefined {
    try {
      return new Set(this.#deps.addresses())
    } catch (error) {
      this.#deps.log.debug('addresses of this machine not read', { error })
      return undefined
    }
  }

  async #probeAll(): Promise<void> {
    const { host } = this.#deps
    const waiting = [...new Set(host.connections().map(({ peer }) => peer))]
    const work = async () => {
      for (let peer = waiting.pop(); peer !== undefined; peer = waiting.pop()) {
        if (this.#stopped.signal.aborted) return
        await probeConnection(peer, this.#deps, this.#stopped.signal)
      }
    }
    await Promise.all(Array.from({ length: PROBES_AT_ONCE }, work))
  }
}

/** Closes what is open to `peer` if it does not answer in 3 s; says whether it did that. */
export async function probeConnection(
  peer: PeerId,
  { host, clock }: { readonly host: Probed; readonly clock: Clock },
  signal: AbortSignal,
): Promise<boolean> {
  if (!host.connections().some((one) => one.peer === peer)) return false
  using deadline = clock.deadline(PROBE_MS, signal)
  try {
    await race(host.ping(peer, { signal: deadline.signal }), deadline.signal)
    return false
  } catch {
    // A peer that does not speak ping refuses at once; only silence is a dead line.
    if (!deadline.signal.aborted || signal.aborted) return false
    await host.disconnect(peer).catch(() => undefined)
    return true
  }
}
