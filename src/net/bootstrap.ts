/**
 * The first peers: those in the configuration, those of earlier runs, and those found on the link.
 *
 * While fewer peers are connected than wanted, the first two are tried in rounds, with a growing
 * pause between them. What mDNS finds is tried as it comes, but slowly: anybody on the link can
 * announce anything, and a node that dials at once whatever it hears is a port scanner for hire.
 *
 * First peers that many others begin with stay connected to each other (`keepAll`): else a
 * network that forms around two of them forms as two.
 */

import {
  backoffMs,
  type Clock,
  either,
  every,
  type Logger,
  type Random,
  type Service,
  shuffled,
} from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { Attempts, type BootstrapAttempt, type BootstrapReport } from './bootstrap-report.ts'
import { reasonOf } from './errors.ts'
import type { Host } from './host.ts'
import { LinkCandidates } from './link-candidates.ts'
import { PeersFile } from './peers-file.ts'
import { parseMultiaddr, withPeer } from './transports.ts'

const BACKOFF_MAX_MS = 300_000
/** With enough peers we only look now and then; a peer that goes wakes us. */
const CONTENT_MS = 60_000
const SAVE_MS = 10_000
/** Remembered peers tried in one round, and dials at once. */
const REMEMBERED_PER_ROUND = 16
const DIALS_AT_ONCE = 4

/** What bootstrap needs of the node. */
export interface BootstrapDeps {
  readonly host: Pick<Host, 'connect' | 'connections' | 'events' | 'addressesOf' | 'self'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** `peers.json` in the data folder; undefined where nothing is kept on disk. */
  readonly file: string | undefined
}

/** The knobs of bootstrap. */
export interface BootstrapConfig {
  /** Multiaddrs to try first; `/dnsaddr/…` stands for what its TXT records say. */
  readonly addresses: readonly string[]
  /** With fewer connected peers than this we keep trying. */
  readonly peersMin: number
  /** Whether to keep a connection to every configured peer, not only to a few. */
  readonly keepAll: boolean
  /** The pause after the first round that was not enough; it doubles up to five minutes. */
  readonly backoffMs: number
  /** How long one address may take. */
  readonly dialTimeoutMs: number
}

/** Addresses of one peer, or one address whose peer may not be known yet. */
interface Target {
  readonly source: BootstrapAttempt['source']
  readonly addresses: readonly string[]
}

/** Sees to it that a few peers are connected, and says why when there are not. */
export class Bootstrap implements Service {
  readonly name = 'bootstrap'
  readonly #deps: BootstrapDeps
  readonly #config: BootstrapConfig
  readonly #remembered: PeersFile
  readonly #attempts = new Attempts()
  readonly #candidates: LinkCandidates
  /** Link candidates that are being dialled; more news of them can wait. */
  readonly #dialling = new Set<PeerId>()
  readonly #stopped = new AbortController()
  /** Who answered at an address that does not name its peer. */
  readonly #answeredAt = new Map<string, PeerId>()
  /** Configured addresses of which was said that they are not reached, until they are. */
  readonly #saidOf = new Set<string>()
  readonly #unsubscribe: (() => void)[] = []
  #running: Promise<unknown> = Promise.resolve()
  #wake = new AbortController()
  #nextTryAtMs: number | undefined
  #hurry = new AbortController()

  constructor(deps: BootstrapDeps, config: BootstrapConfig) {
    this.#deps = deps
    this.#config = config
    this.#remembered = new PeersFile(deps)
    this.#candidates = new LinkCandidates(deps)
  }

  /** Refuses addresses that are none; tries the others in the background. */
  async start(): Promise<void> {
    for (const address of this.#config.addresses) parseMultiaddr(address)
    const { host, clock } = this.#deps
    const { signal } = this.#stopped
    await this.#remembered.load()
    this.#unsubscribe.push(
      host.events.on('identified', ({ peer }) => void this.#remember(peer)),
      host.events.on('disconnected', () => this.#wake.abort()),
    )
    this.#running = Promise.all([
      this.#keepPeers(),
      every(clock, SAVE_MS, () => this.#remembered.save(), signal),
      ...Array.from({ length: DIALS_AT_ONCE }, () => this.#dialCandidates()),
    ]).catch((error: unknown) => {
      if (!signal.aborted) this.#deps.log.error('bootstrap ended', { error })
    })
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#stopped.abort()
    await this.#running
    await this.#remembered.save()
  }

  /** The network changed: peers that are missing are tried now, with short pauses again. */
  retryNow(): void {
    this.#hurry.abort()
  }

  /** Takes a peer that may be on the link; it is tried when its turn comes. */
  found(peer: PeerId, addresses: readonly string[]): void {
    if (peer !== this.#deps.host.self && !this.#isConnected(peer)) {
      this.#candidates.add(peer, addresses)
    }
  }

  /** What was tried and how it went, with sentences for `/health` when peers are missing. */
  report(): BootstrapReport {
    const { clock } = this.#deps
    return this.#attempts.report({
      connected: this.#connected().size,
      wanted: this.#config.peersMin,
      known: this.#config.addresses.length + this.#remembered.peers.length,
      nextTryInMs:
        this.#nextTryAtMs === undefined ? undefined : Math.max(0, this.#nextTryAtMs - clock.now()),
    })
  }

  async #keepPeers(): Promise<void> {
    const { random } = this.#deps
    const { signal } = this.#stopped
    const backoff = { firstMs: this.#config.backoffMs, maxMs: BACKOFF_MAX_MS }
    for (let tries = 0; !this.#isStopped(); ) {
      if (this.#isShort()) await this.#tryAll()
      if (this.#isStopped()) return
      if (this.#isShort()) {
        this.#hurry = new AbortController()
        const hurried = this.#hurry.signal
        using woken = either(signal, hurried)
        await this.#pause(backoffMs(tries, backoff, random), woken.signal)
        tries = hurried.aborted ? 0 : tries + 1
      } else {
        tries = 0
        this.#wake = new AbortController()
        using woken = either(signal, this.#wake.signal)
        await this.#pause(CONTENT_MS, woken.signal)
        // A peer that comes and goes must not make us dial as fast as it does.
        if (this.#isShort()) await this.#pause(backoffMs(0, backoff, random), signal)
      }
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps
    this.#nextTryAtMs = this.#isShort() ? clock.now() + ms : undefined
    await clock.sleep(ms, signal).catch(() => undefined)
    this.#nextTryAtMs = undefined
  }

  /** One round: the configured peers, then some remembered ones, until there are enough. */
  async #tryAll(): Promise<void> {
    const { random } = this.#deps
    // In an order of each node's own, so that the first on everybody's list has no more to do.
    const configured = shuffled(this.#missing(), random).map((address): Target => {
      return { source: 'configured', addresses: [address] }
    })
    const remembered = shuffled(this.#remembered.peers, random)
      .sort((a, b) => Number(b.dialled) - Number(a.dialled))
      .filter(({ peer }) => peer !== this.#deps.host.self && !this.#isConnected(peer))
      .slice(0, REMEMBERED_PER_ROUND)
      .map(({ peer, addresses }): Target => {
        return { source: 'remembered', addresses: addresses.map((text) => withPeer(text, peer)) }
      })
    const waiting = this.#hasFew() ? [...configured, ...remembered] : configured
    const work = async () => {
      while (this.#isShort() && !this.#isStopped()) {
        const target = waiting.shift()
        if (target === undefined) return
        await this.#dial(target)
      }
    }
    await Promise.all(Array.from({ length: DIALS_AT_ONCE }, work))
  }

  async #dialCandidates(): Promise<void> {
    const { signal } = this.#stopped
    for (;;) {
      const candidate = await this.#candidates.next(signal)
      if (candidate === undefined) return
      if (this.#dialling.has(candidate.peer)) continue
      this.#dialling.add(candidate.peer)
      await this.#dial({ source: 'link', addresses: candidate.addresses })
      this.#dialling.delete(candidate.peer)
    }
  }

  /** Tries the addresses in turn until one answers. */
  async #dial({ source, addresses }: Target): Promise<void> {
    const { clock, log } = this.#deps
    for (const address of addresses) {
      const attempt = { address, source, atMs: clock.now() }
      try {
        const known = parseMultiaddr(address).peer ?? this.#answeredAt.get(address)
        if (known !== undefined && this.#isConnected(known)) return
        const peer = await this.#connect(address, source)
        this.#attempts.note({ ...attempt, peer })
        this.#saidOf.delete(address)
        log.info('connected to a first peer', { address, source, peer })
        return
      } catch (error) {
        if (this.#isStopped()) return
        this.#attempts.note({ ...attempt, error })
        this.#sayNotReached({ address, source }, error)
      }
    }
  }

  /** Whoever named a first peer is told once that it does not answer; it is tried again. */
  #sayNotReached(what: Pick<BootstrapAttempt, 'address' | 'source'>, error: unknown): void {
    const { log } = this.#deps
    const isNews = what.source === 'configured' && !this.#saidOf.has(what.address)
    if (!isNews) {
      log.debug('first peer not reached', { ...what, error })
      return
    }
    this.#saidOf.add(what.address)
    log.warn('first peer not reached, and tried again', { ...what, reason: reasonOf(error) })
  }

  async #connect(address: string, source: Target['source']): Promise<PeerId> {
    const { host, clock } = this.#deps
    const { signal } = this.#stopped
    if (source === 'link') await this.#candidates.grant(signal)
    using deadline = clock.deadline(this.#config.dialTimeoutMs, signal)
    const peer = await host.connect(address, { signal: deadline.signal })
    if (source === 'configured') this.#answeredAt.set(address, peer)
    return peer
  }

  async #remember(peer: PeerId): Promise<void> {
    const { host, log } = this.#deps
    try {
      const addresses = await host.addressesOf(peer)
      const reached = host.connections().some((one) => {
        return one.peer === peer && one.direction === 'outbound'
      })
      this.#remembered.note(peer, addresses, reached)
    } catch (error) {
      log.debug('peer not remembered', { peer, error })
    }
  }

  #connected(): ReadonlySet<PeerId> {
    return new Set(this.#deps.host.connections().map(({ peer }) => peer))
  }

  #isConnected(peer: PeerId): boolean {
    return this.#connected().has(peer)
  }

  #isStopped(): boolean {
    return this.#stopped.signal.aborted
  }

  #isShort(): boolean {
    return this.#hasFew() || (this.#config.keepAll && this.#missing().length > 0)
  }

  #hasFew(): boolean {
    return this.#connected().size < this.#config.peersMin
  }

  /** Configured addresses at which nobody is known to be that is connected, or is ourselves. */
  #missing(): readonly string[] {
    const here = this.#connected()
    return this.#config.addresses.filter((address) => {
      const peer = parseMultiaddr(address).peer ?? this.#answeredAt.get(address)
      return peer === undefined || (peer !== this.#deps.host.self && !here.has(peer))
    })
  }
}
