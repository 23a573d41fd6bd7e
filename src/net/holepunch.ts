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
import { type Clock, type Logger, TtlMap } from '../base/index.ts'
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
import { addressOfConnection, isRelayed, notePath, type Path, pathOf } from './paths.ts'
import type { PunchAttempt } from './punch-attempts.ts'
import { type Outcome, PunchRounds } from './punch-rounds.ts'
import { ipsOf, kindsToTry, type PunchKind, punchTargets, TRIES_MAX } from './punch-targets.ts'
import { type Begun, PunchTries } from './punch-tries.ts'
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

/** What comes through so long after a try has begun came by its hole. */
const HOLE_MS = 5_000
const EXCHANGE_MS = 10_000
const STREAMS_MAX = 2
const ANSWERED_MAX = 16
const PEERS_MAX = 512
const ANNOUNCED_WAIT_MS = 300

export class HolePunch {
  readonly #deps: HolePunchDeps
  readonly #stopped = new AbortController()
  readonly #rounds: PunchRounds
  /** With whom holes are being punched, or were a moment ago. */
  readonly #holes: TtlMap<PeerId, boolean>
  readonly #tries: PunchTries
  #answering = 0
  #isOn = false

  constructor(deps: HolePunchDeps) {
    this.#deps = deps
    const { clock, libp2p } = deps
    this.#rounds = new PunchRounds({ ...deps, upgrade: this.#upgrade.bind(this) })
    this.#tries = new PunchTries(deps, this.#stopped.signal)
    this.#holes = new TtlMap({ entriesMax: PEERS_MAX, ttlMs: HOLE_MS, clock })
    libp2p.addEventListener('connection:open', ({ detail }) => {
      this.#opened(detail)
    })
    libp2p.addEventListener('connection:close', ({ detail }) => {
      const isLost = this.#isOn && !isRelayed(detail)
      // If a circuit still stands, it is all that is left.
      if (isLost) this.#rounds.called(peerId(detail.remotePeer.toString()))
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
    return this.#tries.attempts
  }

  #opened(connection: Connection): void {
    const peer = peerId(connection.remotePeer.toString())
    if (!isRelayed(connection)) {
      const isFar = reaches(addressOfConnection(connection), this.#deps.scope)
      // Both sides dial, so there may be two of them.
      if (isFar && this.#holes.has(peer)) notePath(connection, 'punched')
      this.#tries.came(peer, connection)
      return
    }
    if (connection.direction === 'inbound' && this.#isOn) this.#rounds.called(peer)
  }

  /** One round, as the one who was called. */
  async #upgrade(relayed: Connection, peer: PeerId, signal: AbortSignal): Promise<Outcome> {
    const isDialled = await this.#dialAnnounced(peer, signal)
    if (isDialled === true) return 'direct'
    let isKnocked = isDialled === false
    const vain = new Set<PunchKind>()
    for (const kind of kindsToTry(vain)) {
      signal.throwIfAborted()
      const isThrough = await this.#tryOnce(relayed, { peer, kind }, signal)
      if (isThrough === true) return 'direct'
      if (isThrough === undefined) vain.add(kind)
      else isKnocked = true
    }
    return isKnocked ? 'relayed' : 'too early'
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
      const targets = await this.#agree(frames, kind, time.signal)
      if (targets.length === 0) return undefined
      const punch = (until: AbortSignal) => {
        return targets.map((target) => this.#punch(target, peer, { role: 'server', signal: until }))
      }
      return await this.#within({ peer, kind, role: 'called', targets }, punch, signal)
    } catch (error) {
      this.#deps.log.debug('a try to leave the relay failed', { peer, kind, why: reasonOf(error) })
      return false
    } finally {
      Promise.all([stream.close(), stream.closeRead()]).catch(() => undefined)
    }
  }

  /** Where the other side wants to be sent to, at the moment when both begin. */
  async #agree(frames: Frames, kind: PunchKind, signal: AbortSignal): Promise<readonly Address[]> {
    const { clock, scope } = this.#deps
    const own = this.#own(kind)
    const startedMs = clock.now()
    await frames.write(encodeHolePunch({ type: 'connect', addresses: own }), signal)
    const { addresses } = decodeHolePunch(await frames.read(signal))
    const rttMs = clock.now() - startedMs
    const targets = punchTargets(addresses, { kind, scope, ours: ipsOf(own) })
    if (targets.length === 0) return []
    await frames.write(encodeHolePunch({ type: 'sync', addresses: [] }), signal)
    await clock.sleep(rttMs / 2, signal)
    return targets
  }

  /** As the one who called: answers, and dials when told to; for nobody who called us. */
  async #answer(stream: Stream, relayed: Connection): Promise<void> {
    const { clock, scope, log } = this.#deps
    const peer = peerId(relayed.remotePeer.toString())
    this.#answering += 1
    try {
      const isOurs = isRelayed(relayed) && relayed.direction === 'outbound'
      if (!isOurs || this.#answering > ANSWERED_MAX || !this.#rounds.givesWay(peer)) {
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
    } finally {
      this.#answering -= 1
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

  /** Whether there is a direct connection then. */
  async #within(
    begun: Begun,
    begin: (signal: AbortSignal) => readonly Promise<unknown>[],
    signal: AbortSignal,
  ): Promise<boolean> {
    if (begun.kind !== 'dial') this.#holes.set(begun.peer, true)
    const won = await this.#tries.run(begun, begin, signal)
    if (won !== undefined) this.#deps.improved(begun.peer, pathOf(won))
    return won !== undefined
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
