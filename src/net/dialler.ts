/**
 * Connecting: which addresses, in which order, for how long, and what became of each.
 *
 * Addresses are tried best first, the next soon after (`dial-race.ts`), each with a deadline of its
 * own under the deadline of all; those where nobody answered the last time come last. Callers who
 * want the same peer share one attempt, and for a while after one that failed there is no other.
 */

import type { Connection } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type Clock, hasCode, race, WorkQueue } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { isOfFamily, type NetConfig } from './config.ts'
import { racePaths } from './dial-paths.ts'
import { DialPauses } from './dial-pauses.ts'
import { type Attempt, NetError, reasonOf } from './errors.ts'
import type { CallOptions } from './host.ts'
import type { NetMetrics } from './metrics.ts'
import { type Names, resolveAddress } from './names.ts'
import { bestOf, isRelayed } from './paths.ts'
import type { PeerAddresses } from './peer-addresses.ts'
import { type Address, compareAddresses, parseMultiaddr, withPeer } from './transports.ts'

export interface DiallerDeps {
  /** Dials one address. */
  readonly libp2p: { dial(to: Multiaddr, options: { signal: AbortSignal }): Promise<Connection> }
  readonly names: Names
  readonly clock: Clock
  readonly metrics: Pick<NetMetrics, 'dials'>
  readonly addresses: Pick<PeerAddresses, 'of' | 'connectionsOf'>
  /** Relays of ours, which may be connected to whom we cannot reach. */
  lastResorts?(): readonly string[]
}

export type DiallerConfig = Pick<
  NetConfig,
  | 'connectionTimeoutMs'
  | 'addressTimeoutMs'
  | 'addressesPerDialMax'
  | 'dialsMax'
  | 'dialsWaitingMax'
  | 'family'
>

export interface DialOptions extends CallOptions {
  /** Not through a relay. */
  readonly isDirect?: boolean | undefined
}

/** One dial: a peer, or whoever is at an address. */
interface Wanted {
  readonly target: string
  readonly peer: PeerId | undefined
  readonly address: Address | undefined
  readonly isDirect: boolean
}

export class Dialler {
  readonly #deps: DiallerDeps
  readonly #config: DiallerConfig
  readonly #queue: WorkQueue
  /** One entry for each dial that runs or waits: bounded by the queue. */
  readonly #underway = new Map<string, Promise<Connection>>()
  readonly #pauses: DialPauses
  readonly #stopped = new AbortController()

  constructor(deps: DiallerDeps, config: DiallerConfig) {
    this.#deps = deps
    this.#config = config
    this.#pauses = new DialPauses(deps.clock)
    this.#queue = new WorkQueue({
      name: 'dials',
      concurrentMax: config.dialsMax,
      waitingMax: config.dialsWaitingMax,
    })
  }

  /** The open connection to a peer, if there is one: the one with the best path. */
  existing(peer: PeerId, isDirect = false): Connection | undefined {
    const best = bestOf(this.#deps.addresses.connectionsOf(peer))
    return best === undefined || (isDirect && isRelayed(best)) ? undefined : best
  }

  /** As `connect`, but fails at once when no known address of the peer answered a moment ago. */
  async reach(peer: PeerId, options: CallOptions = {}): Promise<Connection> {
    if (this.existing(peer) === undefined && this.#pauses.leftMs(peer) > 0) {
      const known = parsed(await this.#deps.addresses.of(peer))
      const retryInMs = this.#pauses.leftMs(peer)
      if (retryInMs > 0 && known.every(({ text }) => this.#pauses.isDead(peer, text))) {
        const tried = this.#pauses.tried(peer)
        throw NetError.CONNECT_FAILED({ target: peer, tried, retryInMs })
      }
    }
    return this.connect(peer, options)
  }

  /** Takes note that a peer is connected, whoever dialled. */
  connected(peer: PeerId): void {
    this.#pauses.end(peer)
  }

  /** Connects to a peer at its known addresses, or to whoever answers at a multiaddr. */
  async connect(target: PeerId | string, options: DialOptions = {}): Promise<Connection> {
    const { signal } = options
    signal?.throwIfAborted()
    const address = target.startsWith('/') ? parseMultiaddr(target) : undefined
    const peer = address === undefined ? peerId(target) : address.peer
    // Who names an address without a relay does not want the relay that there is.
    const isDirect = address === undefined ? options.isDirect : address.transport !== 'relay'
    const existing = peer === undefined ? undefined : this.existing(peer, isDirect)
    if (existing !== undefined) return existing
    const key = isDirect === true ? `direct ${target}` : target
    const known = this.#underway.get(key)
    if (known !== undefined) return race(known, signal)

    const wanted = { target, peer, address, isDirect: isDirect === true }
    const dial = this.#queue.run(() => this.#dial(wanted))
    this.#underway.set(key, dial)
    const forget = () => this.#underway.delete(key)
    dial.then(forget, forget)
    return race(dial, signal)
  }

  /** Gives up what is under way. */
  stop(): void {
    this.#stopped.abort(NetError.CONNECTION_DROPPED({ reason: 'the node is stopping' }))
  }

  async #dial({ target, peer, address, isDirect }: Wanted): Promise<Connection> {
    const { clock } = this.#deps
    using total = clock.deadline(this.#config.connectionTimeoutMs, this.#stopped.signal)
    const tried: Attempt[] = []
    const given =
      address === undefined && peer !== undefined
        ? parsed(await this.#deps.addresses.of(peer))
        : [address].filter((one) => one !== undefined)
    const found = await this.#candidates(given, tried, total.signal)
    const dead = (one: Address) => peer !== undefined && this.#pauses.isDead(peer, one.text)
    const candidates = found
      .filter(({ transport }) => !isDirect || transport !== 'relay')
      .toSorted((a, b) => Number(dead(a)) - Number(dead(b)))
    const full = ({ text, peer: named }: Address): string => {
      const expected = peer ?? named
      return expected === undefined ? text : withPeer(text, expected)
    }
    const wayOf = (one: Address) => ({
      isRelayed: one.transport === 'relay',
      run: async (signal: AbortSignal) => {
        // It may have dialled us in the meantime.
        const existing = peer === undefined ? undefined : this.existing(peer, isDirect)
        return existing ?? this.#tryOne(full(one), one.transport, signal)
      },
    })
    // Somebody may tell of its relays while we dial where it is not.
    const more = async (isLast: boolean) => {
      if (address !== undefined || peer === undefined || isDirect) return []
      const told = parsed(await this.#deps.addresses.of(peer)).filter(isThroughRelay)
      const last = isLast ? parsed(this.#deps.lastResorts?.() ?? []) : []
      const relayed = told.length > 0 ? told : last
      const found = await this.#candidates(relayed, [], total.signal)
      candidates.push(...found)
      return found.map(wayOf)
    }
    const { won, begun, failures } = await racePaths(candidates.map(wayOf), {
      ...{ clock, more, signal: total.signal },
      discard: (late) => late.abort(tooLate()),
    })
    if (won !== undefined) return won
    for (const [index, candidate] of candidates.entries()) {
      const failure = failures.get(index)
      const reason = this.#reason(failure?.error ?? total.signal.reason, total.signal)
      const tookMs = failure?.tookMs ?? 0
      tried.push({ address: full(candidate), reason, tookMs })
    }
    const attempted = candidates.filter((_, i) => begun.has(i)).map(({ text }) => text)
    if (address === undefined && peer !== undefined && begun.size > 0) {
      // What there was no time for is new the next time.
      const names = total.signal.aborted ? [] : given.map(({ text }) => text)
      this.#pauses.failed(peer, [...names, ...attempted], tried)
    }
    throw NetError.CONNECT_FAILED({ target, tried })
  }

  /** Addresses behind names, without repeats, in the order of dialling. */
  async #candidates(
    given: readonly Address[],
    tried: Attempt[],
    signal: AbortSignal,
  ): Promise<readonly Address[]> {
    const { family } = this.#config
    const found = new Map<string, Address>()
    for (const address of given) {
      try {
        const behind = await race(resolveAddress(address, this.#deps.names, { signal }), signal)
        for (const one of behind) {
          if (isOfFamily(one.text, family)) found.set(`${one.text} ${one.peer ?? ''}`, one)
          else tried.push({ address: one.text, reason: onlySpeaks(family) })
        }
      } catch (error) {
        tried.push({ address: address.text, reason: this.#reason(error, signal) })
      }
    }
    return [...found.values()].sort(compareAddresses).slice(0, this.#config.addressesPerDialMax)
  }

  async #tryOne(text: string, transport: string, signal: AbortSignal): Promise<Connection> {
    const { clock, libp2p, metrics } = this.#deps
    using one = clock.deadline(this.#config.addressTimeoutMs, signal)
    try {
      const connection = await libp2p.dial(multiaddr(text), { signal: one.signal })
      metrics.dials.add(1, { transport, outcome: 'connected' })
      return connection
    } catch (error) {
      metrics.dials.add(1, { transport, outcome: 'failed' })
      throw one.signal.aborted ? one.signal.reason : error
    }
  }

  #reason(error: unknown, total: AbortSignal): string {
    if (!hasCode(error, 'BASE_DEADLINE')) return reasonOf(error)
    const { addressTimeoutMs, connectionTimeoutMs } = this.#config
    return error === total.reason
      ? `not reached within the ${connectionTimeoutMs} ms for all addresses`
      : `no answer within ${addressTimeoutMs} ms`
  }
}

function isThroughRelay({ transport }: Address): boolean {
  return transport === 'relay'
}

function onlySpeaks(family: NetConfig['family']): string {
  return `this node speaks ${family === 'ip6' ? 'IPv6' : 'IPv4'} only (network.family)`
}

function tooLate(): Error {
  return NetError.CONNECTION_DROPPED({ reason: 'another address answered first' })
}

/** Addresses that a peer has and we cannot dial are left out. */
function parsed(addresses: readonly string[]): readonly Address[] {
  return addresses.flatMap((text) => {
    try {
      return [parseMultiaddr(text)]
    } catch {
      return []
    }
  })
}
