/**
 * The datagram face of the DHT: its port, its clock, and what is done with what comes in.
 *
 * The rules lie in sans-I/O files (`datagram-asking`, `-answering`, `-keys`, `-book`); this one
 * binds them to a UDP port. A face that cannot open its port says why and asks nobody: questions
 * then go over streams, as they do to every peer without a face.
 */

import type { Clock, Logger, Random } from '../base/index.ts'
import { type Agreement, type PeerId, publicKeyOf } from '../identity/index.ts'
import { SCOPES, type Scope, scopeOf } from '../ip/index.ts'
import type { Facility, Host, OpenUdp, UdpEndpoint, UdpPort } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { Answering, type Question } from './datagram-answering.ts'
import { Asking, type Outcome } from './datagram-asking.ts'
import { DatagramBook, type Place } from './datagram-book.ts'
import { Cookies } from './datagram-cookies.ts'
import { mayBeEarly, readQuestions } from './datagram-early.ts'
import { fitAnswer } from './datagram-fit.ts'
import { DatagramKeys } from './datagram-keys.ts'
import { Mute } from './datagram-mute.ts'
import { OwnAddresses } from './datagram-own.ts'
import {
  ANSWER,
  BOOT_BYTES,
  CHALLENGE,
  PARTIAL,
  parsePacket,
  questionBody,
  REFUSED,
  SERVES,
} from './datagram-packet.ts'
import { codeOf, DhtError } from './errors.ts'
import type { DhtMetrics } from './metrics.ts'
import { encodeMessage, type Message, type MessageType } from './wire.ts'

/** Questions of others that are being answered at once. */
const ACTING_MAX = 512
const SECRET_BYTES = 32
/** How exactly the time to send again is kept. */
const TICK_MS = 25
const SYSTEM_PORT_MAX = 1_023
const NO_MESSAGE = new Uint8Array()
const PING = encodeMessage({ type: 'ping' })

/** What a node brings so that its DHT has a datagram face. */
export interface DatagramParts {
  /** What the node's own key agrees on with peers. */
  readonly agreement: Agreement
  readonly openUdp: OpenUdp
  /** The IP addresses to listen on. */
  readonly hosts: readonly string[]
}

export interface DatagramFaceDeps extends DatagramParts {
  readonly host: Pick<Host, 'self' | 'addresses'>
  readonly network: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Pick<DhtMetrics, 'datagrams'>
  /** What the messages of a peer are answered with; each is read when it is taken. May reject. */
  readonly answer: (peer: PeerId, messages: Iterable<Message>) => Promise<Message | undefined>
  /** A peer has asked us and was answered; `serves` says that it may stand in routing tables. */
  readonly spoke: (peer: PeerId, serves: boolean) => void
}

export class DatagramFace {
  readonly #deps: DatagramFaceDeps
  readonly #config: DhtConfig
  readonly #book = new DatagramBook()
  readonly #keys: DatagramKeys
  readonly #asking: Asking
  readonly #answering: Answering
  readonly #own: OwnAddresses
  readonly #mute = new Mute()
  readonly #life = new AbortController()
  #port: UdpPort | undefined
  #state: Facility = { state: 'off' }
  #ticking = false
  #acting = 0

  constructor(deps: DatagramFaceDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
    const { host, network, agreement, random, clock } = deps
    const boot = random.bytes(BOOT_BYTES)
    const startedMs = clock.now()
    const keys = new DatagramKeys({ self: host.self, network, agreement, boot, startedMs })
    const publicKey = publicKeyOf(host.self) ?? NO_MESSAGE
    const flags = config.mode === 'server' ? SERVES : 0
    const send = (bytes: Uint8Array, to: UdpEndpoint) => this.#send(bytes, to)
    const cookies = new Cookies(random.bytes(SECRET_BYTES))
    const book = this.#book
    this.#keys = keys
    this.#asking = new Asking({ keys, book, publicKey, boot, flags, send })
    this.#answering = new Answering(
      { keys, book, cookies, boot, flags, send },
      config.datagramsPerHost,
    )
    this.#own = new OwnAddresses(host)
  }

  /** Whether datagrams come and go, and why not if they do not. */
  get state(): Facility {
    return this.#state
  }

  /** Opens the port, once the host listens; resolves also when there is none to be had. */
  async start(): Promise<void> {
    const { openUdp, hosts, log } = this.#deps
    const { datagramPort } = this.#config
    const port = datagramPort === 0 ? this.#own.streamPorts().tcp : datagramPort
    try {
      if (hosts.length === 0)
        throw DhtError.NO_DATAGRAMS({ reason: 'no IP address is listened on' })
      const open = await openUdp({ hosts, port, movable: datagramPort === 0 })
      if (this.#life.signal.aborted) {
        open.close()
        return
      }
      open.onPacket((bytes, from) => this.#count(this.#take(bytes, from)))
      this.#port = open
      this.#own.listensOn(open.addresses)
      this.#state = { state: 'active' }
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'it could not be opened'
      this.#state = { state: 'unavailable', reason }
      log.warn('datagrams are off', { code: codeOf(error), reason })
    }
  }

  stop(): void {
    this.#life.abort()
    this.#state = { state: 'off' }
    this.#asking.stop()
    this.#port?.close()
    this.#port = undefined
  }

  /** Where others find this face, best first. */
  addresses(): readonly string[] {
    return this.#own.addresses()
  }

  /** Where `peer` takes datagrams, as far as anybody told. */
  endpointOf(peer: PeerId): Place | undefined {
    return this.#book.known(peer)
  }

  /** Where `peer` has spoken to us, and the ports of its streams there. */
  provenOf(peer: PeerId): ReturnType<DatagramBook['provenOf']> {
    return this.#book.provenOf(peer)
  }

  /** Notes where somebody who is met at `scope` says that `peer` takes datagrams. */
  told(peer: PeerId, at: UdpEndpoint, scope: Scope): void {
    if (peer === this.#deps.host.self || publicKeyOf(peer) === undefined) return
    const reach = scopeOf(at.host)
    if (reach === 'special' || SCOPES.indexOf(reach) < SCOPES.indexOf(scope)) return
    if (scope === 'global' && at.port <= SYSTEM_PORT_MAX) return
    this.#book.told(peer, at)
  }

  /** Whether a question of these messages can go to `peer` as a datagram now. */
  canAsk(peer: PeerId): boolean {
    if (this.#port === undefined) return false
    const nowMs = this.#deps.clock.now()
    const at = this.#book.addressOf(peer, nowMs)
    if (at === undefined || !this.#own.speaks(at)) return false
    return this.#book.answers(peer) || this.#mute.mayTry(nowMs)
  }

  /**
   * Asks `peer`, which `canAsk` said can be asked; `undefined` when the messages do not fit or no
   * keys can be had. Never rejects for what the peer does; throws `DHT_PEER_BUSY` at the bound.
   */
  async ask(
    peer: PeerId,
    messages: readonly Uint8Array[],
    types: readonly MessageType[] = [],
  ): Promise<Outcome | undefined> {
    const { clock, metrics } = this.#deps
    const nowMs = clock.now()
    const at = this.#book.addressOf(peer, nowMs)
    const publicKey = publicKeyOf(peer)
    if (at === undefined || publicKey === undefined) return undefined
    const body = questionBody(this.#own.streamPorts(), messages)
    if (body === undefined || !this.#keys.agrees(peer, publicKey)) return undefined
    if (this.#asking.isFull(peer)) {
      throw DhtError.PEER_BUSY({ peer, waiting: this.#asking.waitingFor(peer) })
    }
    const { promise, resolve: settle } = Promise.withResolvers<Outcome>()
    const question = { peer, publicKey, at, body, mayBeEarly: mayBeEarly(types), settle }
    this.#asking.ask(question, nowMs)
    void this.#keepTime()
    const outcome = await promise
    metrics.datagrams.add(1, { direction: 'out', outcome: outcome.kind })
    if (outcome.kind !== 'silent') this.#heard()
    else if (!outcome.known) this.#mute.silent()
    if (outcome.kind === 'answered' && outcome.early) void this.#introduce(peer)
    return outcome
  }

  /** Shows the cookie that came with an early answer: from now on the peer knows where we are. */
  async #introduce(peer: PeerId): Promise<void> {
    if (!this.canAsk(peer) || this.#asking.waitingFor(peer) > 0) return
    await this.ask(peer, [PING]).catch((error: unknown) => {
      this.#deps.log.debug('not introduced', { peer, code: codeOf(error) })
    })
  }

  #send(bytes: Uint8Array, to: UdpEndpoint): void {
    if (this.#port === undefined) throw DhtError.NO_DATAGRAMS({ reason: 'the node is stopping' })
    this.#port.send(bytes, to)
  }

  /** What became of a packet, unless that is counted later. */
  #take(bytes: Uint8Array, from: UdpEndpoint): string | undefined {
    const packet = parsePacket(bytes)
    const nowMs = this.#deps.clock.now()
    if (packet === undefined) return 'noise'
    if (packet.kind === ANSWER) {
      return this.#asking.answered(packet, from, nowMs) ? undefined : 'unasked'
    }
    if (packet.kind === CHALLENGE) {
      return this.#asking.challenged(packet, from, nowMs) ? 'challenge' : 'unasked'
    }
    if (this.#config.mode !== 'server') return 'unserved'
    if (this.#acting >= ACTING_MAX) return 'busy'
    try {
      const question = this.#answering.asked(packet, from, nowMs)
      if (typeof question === 'string') return question
      void this.#act(question)
      return undefined
    } catch (error) {
      this.#deps.log.debug('challenge not sent', { code: codeOf(error) })
      return 'unsent'
    }
  }

  /** Never rejects. */
  async #act(question: Question): Promise<void> {
    this.#acting += 1
    try {
      const said = await this.#answerOf(question)
      if (this.#port === undefined) return
      const ports = this.#own.streamPorts()
      this.#answering.answer(question, { ...said, ports }, this.#deps.clock.now())
    } catch (error) {
      this.#deps.log.debug('answer not sent', { peer: question.peer, code: codeOf(error) })
    } finally {
      this.#acting -= 1
    }
  }

  async #answerOf({ peer, early, serves, messages }: Question) {
    try {
      const answer = await this.#deps.answer(peer, readQuestions({ peer, early, messages }))
      this.#heard()
      if (!early) this.#deps.spoke(peer, serves)
      this.#count('question')
      if (answer === undefined) return { message: NO_MESSAGE, flags: 0 }
      const { bytes, partial } = fitAnswer(answer)
      return { message: bytes, flags: partial ? PARTIAL : 0 }
    } catch (error) {
      this.#count('refused')
      this.#deps.log.debug('datagram refused', { peer, code: codeOf(error) })
      return { message: NO_MESSAGE, flags: REFUSED }
    }
  }

  /** Runs while something waits for an answer, and not a moment longer. */
  async #keepTime(): Promise<void> {
    if (this.#ticking) return
    this.#ticking = true
    const { clock } = this.#deps
    const { signal } = this.#life
    while (this.#asking.size > 0 && !signal.aborted) {
      const dueMs = clock.now() + TICK_MS
      await clock.sleep(TICK_MS, signal).catch(() => undefined)
      const lateMs = clock.now() - dueMs
      if (lateMs > TICK_MS) this.#asking.delay(lateMs)
      this.#asking.tick(clock.now())
    }
    this.#ticking = false
  }

  #heard(): void {
    this.#mute.heard(this.#deps.clock.now())
  }

  #count(outcome: string | undefined): void {
    if (outcome !== undefined) this.#deps.metrics.datagrams.add(1, { direction: 'in', outcome })
  }
}
