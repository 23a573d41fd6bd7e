/**
 * From a relayed connection to a direct one (DCUtR). Who was called through the relay begins: it
 * dials what the caller announces, and has both sides send to each other at the same moment, from
 * the ports that they listen on, so that each NAT takes the other's packets for answers.
 *
 * QUIC first: the caller dials, the called sends packets of no meaning. Then TCP: both connect.
 * Three tries a round (`punch-rounds.ts`), each kept with its outcome; then the relay is left.
 */

import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type Clock, type Logger, race, TtlMap } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Scope } from '../ip/index.ts'
import {
  DCUTR_MESSAGE_BYTES_MAX,
  DCUTR_PROTOCOL,
  decodeHolePunch,
  encodeHolePunch,
} from './dcutr-protocol.ts'
import { NetError, reasonOf } from './errors.ts'
import { type Frames, framesOf } from './frames.ts'
import type { NetMetrics } from './metrics.ts'
import { addressOfConnection, directTo, isRelayed, notePath, type Path, pathOf } from './paths.ts'
import { type PunchAttempt, PunchAttempts } from './punch-attempts.ts'
import { type Outcome, PunchRounds } from './punch-rounds.ts'
import {
  ipsOf,
  KINDS,
  kindsToTry,
  type PunchKind,
  punchTargets,
  TRIES_MAX,
} from './punch-targets.ts'
import type { Punching, PunchRole } from './punching.ts'
import { type Address, parseAny, reaches, withPeer } from './transports.ts'

export interface HolePunchDeps {
  readonly libp2p: Pick<Libp2p, 'handle' | 'getConnections' | 'addEventListener'>
  readonly self: PeerId
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<NetMetrics, 'punches'>
  readonly punching: Punching
  readonly scope: Scope
  /** Dials one address directly. */
  dial(to: Multiaddr, options: { readonly signal: AbortSignal }): Promise<Connection>
  /** Our own ports as others see them. */
  punchable(): readonly string[]
  /** What a peer announces, as far as it is known. */
  addressesOf(peer: PeerId): Promise<readonly string[]>
  /** There is a direct connection now. */
  improved(peer: PeerId, path: Path): void
}

const WINDOW_MS = 3_000
const SETTLE_MS = 500
/** What comes through so long after a try has begun came by its hole. */
const HOLE_MS = 5_000
const EXCHANGE_MS = 10_000
const STREAMS_MAX = 2
const PEERS_MAX = 512
const ANNOUNCED_WAIT_MS = 300

export class HolePunch {
  readonly #deps: HolePunchDeps
  readonly #stopped = new AbortController()
  readonly #rounds: PunchRounds
  /** With whom holes are being punched, or were a moment ago. */
  readonly #holes: TtlMap<PeerId, boolean>
  readonly #waiting = new Map<PeerId, PromiseWithResolvers<Connection>>()
  readonly #attempts = new PunchAttempts()
  #isOn = false

  constructor(deps: HolePunchDeps) {
    this.#deps = deps
    const { clock, libp2p } = deps
    this.#rounds = new PunchRounds({ ...deps, upgrade: this.#upgrade.bind(this) })
    this.#holes = new TtlMap({ entriesMax: PEERS_MAX, ttlMs: HOLE_MS, clock })
    libp2p.addEventListener('connection:open', ({ detail }) => {
      this.#opened(detail)
    })
  }

  async start(): Promise<void> {
    const answer = (stream: Stream, via: Connection) => void this.#answer(stream, via)
    const options = { maxInboundStreams: STREAMS_MAX, runOnLimitedConnection: true }
    await this.#deps.libp2p.handle(DCUTR_PROTOCOL, answer, options)
    this.#isOn = true
  }

  async stop(): Promise<void> {
    this.#isOn = false
    this.#stopped.abort()
    await this.#rounds.stop()
  }

  /** The last tries, the newest last. */
  attempts(): readonly PunchAttempt[] {
    return this.#attempts.all
  }

  #opened(connection: Connection): void {
    const peer = peerId(connection.remotePeer.toString())
    if (!isRelayed(connection)) {
      const isFar = reaches(addressOfConnection(connection), this.#deps.scope)
      // Both sides dial, so there may be two of them.
      if (isFar && this.#holes.has(peer)) notePath(connection, 'punched')
      this.#waiting.get(peer)?.resolve(connection)
      return
    }
    if (connection.direction === 'inbound' && this.#isOn) this.#rounds.called(peer)
  }

  /** One round, as the one who was called. */
  async #upgrade(relayed: Connection, peer: PeerId, signal: AbortSignal): Promise<Outcome> {
    const isDialled = await this.#dialAnnounced(peer, signal)
    if (isDialled === true) return 'direct'
    const vain = new Set<PunchKind>()
    for (const kind of kindsToTry(vain)) {
      signal.throwIfAborted()
      const isThrough = await this.#tryOnce(relayed, { peer, kind }, signal)
      if (isThrough === true) return 'direct'
      if (isThrough === undefined) vain.add(kind)
    }
    const isVain = isDialled === undefined && KINDS.every((kind) => vain.has(kind))
    return isVain ? 'too early' : 'relayed'
  }

  /** Whoever announces an address that anybody can dial is dialled there; undefined for others. */
  async #dialAnnounced(peer: PeerId, signal: AbortSignal): Promise<boolean | undefined> {
    const { clock, scope, dial } = this.#deps
    // What the caller announces comes with identify, which has only begun.
    await clock.sleep(ANNOUNCED_WAIT_MS, signal)
    const known = await this.#deps.addressesOf(peer)
    const targets = punchTargets(known, { kind: undefined, scope, ours: new Set() })
    if (targets.length === 0) return undefined
    const dialAll = (until: AbortSignal) => {
      return targets.map(({ text }) => dial(multiaddr(withPeer(text, peer)), { signal: until }))
    }
    return this.#within({ peer, kind: 'dial', role: 'called', targets }, dialAll, signal)
  }

  /**
   * Each on a stream of its own: go-libp2p serves one try a stream. Undefined where one of the two
   * has no port of that kind to punch through.
   */
  async #tryOnce(
    relayed: Connection,
    { peer, kind }: Try,
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    if (this.#own(kind).length === 0) return undefined
    using time = this.#deps.clock.deadline(EXCHANGE_MS, signal)
    const options = { signal: time.signal, runOnLimitedConnection: true }
    const stream = await relayed.newStream(DCUTR_PROTOCOL, options)
    try {
      const frames = framesOf(stream, DCUTR_MESSAGE_BYTES_MAX)
      return await this.#exchange(frames, { peer, kind }, time.signal)
    } catch (error) {
      this.#deps.log.debug('a try to leave the relay failed', { peer, kind, why: reasonOf(error) })
      return false
    } finally {
      void stream.close().catch(() => undefined)
    }
  }

  async #exchange(
    frames: Frames,
    { peer, kind }: Try,
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    const { clock, scope } = this.#deps
    const own = this.#own(kind)
    const startedMs = clock.now()
    await frames.write(encodeHolePunch({ type: 'connect', addresses: own }), signal)
    const { addresses } = decodeHolePunch(await frames.read(signal))
    const rttMs = clock.now() - startedMs
    const targets = punchTargets(addresses, { kind, scope, ours: ipsOf(own) })
    if (targets.length === 0) return undefined
    await frames.write(encodeHolePunch({ type: 'sync', addresses: [] }), signal)
    await clock.sleep(rttMs / 2, signal)
    const punch = (until: AbortSignal) => {
      return targets.map((target) => this.#punch(target, peer, { role: 'server', signal: until }))
    }
    return await this.#within({ peer, kind, role: 'called', targets }, punch, signal)
  }

  /** As the one who called: answers, and dials when told to. */
  async #answer(stream: Stream, relayed: Connection): Promise<void> {
    const { clock, scope, log } = this.#deps
    const peer = peerId(relayed.remotePeer.toString())
    try {
      if (!isRelayed(relayed) || !this.#rounds.givesWay(peer)) {
        throw NetError.PUNCH_FAILED({ peer, reason: 'this is no time for it' })
      }
      const frames = framesOf(stream, DCUTR_MESSAGE_BYTES_MAX)
      for (let tries = 0; tries < TRIES_MAX; tries += 1) {
        using time = clock.deadline(EXCHANGE_MS, this.#stopped.signal)
        const told = decodeHolePunch(await frames.read(time.signal))
        const own = this.#own(undefined)
        await frames.write(encodeHolePunch({ type: 'connect', addresses: own }), time.signal)
        if (decodeHolePunch(await frames.read(time.signal)).type !== 'sync') break
        const rules = { kind: undefined, scope, ours: ipsOf(own) }
        const targets = punchTargets(told.addresses, rules)
        const kind = targets[0]?.transport === 'tcp' ? 'tcp' : 'quic'
        const punch = (until: AbortSignal) => {
          return targets.map((one) => this.#punch(one, peer, { role: 'client', signal: until }))
        }
        const begun = { peer, kind, role: 'caller', targets } as const
        if (await this.#within(begun, punch, this.#stopped.signal)) break
      }
      await stream.close()
    } catch (error) {
      log.debug('hole punching ended', { peer, why: reasonOf(error) })
      stream.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
    }
  }

  /** One address: over QUIC the caller dials and the called only opens its NAT; TCP is both's. */
  async #punch(
    { text, transport, host, port = 0 }: Address,
    peer: PeerId,
    { role, signal }: { readonly role: PunchRole; readonly signal: AbortSignal },
  ): Promise<unknown> {
    const { punching, dial } = this.#deps
    const to = multiaddr(withPeer(text, peer))
    if (transport === 'tcp') return punching.tcp.punch(to, { role, signal })
    if (role === 'client') return dial(to, { signal })
    return punching.hub?.punch({ host: host?.value ?? '', port }, { signal })
  }

  /** Begins what may lead to a direct connection, and waits for one for a while. */
  async #within(
    { peer, kind, role, targets }: Begun,
    begin: (signal: AbortSignal) => readonly Promise<unknown>[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock, metrics } = this.#deps
    if (kind !== 'dial') this.#holes.set(peer, true)
    const startedMs = clock.now()
    const reasons: string[] = []
    const direct = this.#waiting.get(peer) ?? Promise.withResolvers<Connection>()
    this.#waiting.set(peer, direct)
    using time = clock.deadline(WINDOW_MS, signal)
    const over = new AbortController()
    let won: Connection | undefined = directTo(this.#deps.libp2p, peer)
    try {
      for (const one of begin(over.signal)) {
        one.catch((error: unknown) => {
          reasons.push(reasonOf(error))
        })
      }
      won ??= await race(direct.promise, time.signal)
    } catch {
      won = directTo(this.#deps.libp2p, peer)
    } finally {
      this.#waiting.delete(peer)
      this.#end(over, won === undefined ? 0 : SETTLE_MS)
    }
    const outcome = won === undefined ? 'failed' : 'connected'
    metrics.punches.add(1, { transport: kind, outcome })
    this.#attempts.add({
      peer,
      atMs: startedMs,
      kind,
      role,
      targets: targets.map(({ text }) => text),
      outcome,
      tookMs: clock.now() - startedMs,
      ...(won === undefined && { reason: reasons[0] ?? 'nothing came through' }),
    })
    if (won === undefined) return false
    this.#deps.improved(peer, pathOf(won))
    return true
  }

  /** The dial that won has a few turns to go when its connection is announced. */
  #end(over: AbortController, afterMs: number): void {
    const end = () => {
      over.abort(NetError.CONNECTION_DROPPED({ reason: 'the try is over' }))
    }
    if (afterMs === 0) end()
    else this.#deps.clock.sleep(afterMs, this.#stopped.signal).then(end, end)
  }

  /** Our ports of a kind that can be punched: those that others saw. */
  #own(kind: PunchKind | undefined): readonly string[] {
    return this.#deps.punchable().filter((text) => {
      const { transport } = parseAny(text)
      return kind === undefined ? transport === 'quic' || transport === 'tcp' : transport === kind
    })
  }
}

type Try = { readonly peer: PeerId; readonly kind: PunchKind }

type Begun = Pick<PunchAttempt, 'peer' | 'kind' | 'role'> & {
  readonly targets: readonly Address[]
}
