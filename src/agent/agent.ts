/**
 * The agent of this node, as its owner holds it: messages to others by Ethereum address or peer id,
 * messages of others, and what became of each. It puts the parts of this room together and decides
 * nothing: what comes in is `intake.ts`, what goes out `outbox.ts`.
 */

import { Emitter, newId, type Service } from '../base/index.ts'
import { type EthAddress, ethAddress, type PeerId, peerId } from '../identity/index.ts'
import type { Cbor } from '../wire/index.ts'
import { WireError } from '../wire/index.ts'
import {
  type AgentDeps,
  type AgentEvents,
  type AgentFace,
  type AgentLimits,
  finderOver,
  type InboxFace,
  type SendOptions,
} from './agent-face.ts'
import { isAddress, wayOf } from './agent-message.ts'
import type { Delivery } from './delivery.ts'
import { writeEnvelope } from './envelope.ts'
import { checkDraft, headerOf } from './envelope-codec.ts'
import { type HearingDeps, hearMessages } from './hearing.ts'
import { Inbox } from './inbox.ts'
import { InboxStore } from './inbox-store.ts'
import { Intake, type Origin, toSelf } from './intake.ts'
import { MessageError } from './message-errors.ts'
import { AROUND_BODY_BYTES, heardOf, MESSAGE_TOPIC, TOPIC_BYTES_MAX } from './message-topic.ts'
import { OpenPondDesk } from './openpond-desk.ts'
import { Outbox } from './outbox.ts'
import { type Draft, OutboxStore } from './outbox-store.ts'
import { packPreKey } from './pre-keys.ts'
import { ReceiptRate } from './receipt-rate.ts'
import { ReceiptsOut } from './receipts-out.ts'
import { checkSaid, inTheClear } from './said.ts'
import { Opener, Sealer } from './seal.ts'
import { SenderCheck } from './sender-check.ts'
import { AgentWays, DELIVER, KEYS } from './ways.ts'

/** What was published right after connecting must not be lost: so long it waits for listeners. */
const LISTENERS_MS = 5_000
/** As the recipient of what is said to everybody. */
const EVERYBODY = '*'

export class Agent implements Service, AgentFace {
  readonly name = 'agent'
  readonly inbox: InboxFace
  readonly #deps: AgentDeps
  readonly #limits: AgentLimits
  readonly #events: Emitter<AgentEvents>
  readonly #files: { readonly inbox: InboxStore; readonly outbox: OutboxStore }
  readonly #kept: Inbox
  readonly #outbox: Outbox
  readonly #intake: Intake
  readonly #receipts: ReceiptsOut
  readonly #senders: SenderCheck
  readonly #openpond: OpenPondDesk
  readonly #life = new AbortController()
  readonly #unsubscribe: (() => void)[] = []
  #hearing: Promise<void> = Promise.resolve()
  #isUp = false

  /** Opens its files; `stop` closes them, also without a start. */
  constructor(deps: AgentDeps, limits: AgentLimits) {
    const { clock, random, log, network, signer, host, metrics, files } = deps
    const { self } = host
    this.#deps = deps
    this.#limits = limits
    this.#events = new Emitter((error) => log.error('listener failed', { error }))
    const outboxFile = new OutboxStore(files.outbox, files.pause)
    this.#files = { inbox: new InboxStore(files.inbox), outbox: outboxFile }
    const told = (delivery: Delivery) => this.#told(delivery)
    const { presence, connect, pubsub, rpc, preKeys } = deps
    const sealer = new Sealer({ random, clock, network, from: self })
    const opener = new Opener({ clock, network, secretOf: (id) => preKeys.secretOf(id) })
    const room = { self, network, clock, random, log, signer, metrics }
    const finder = finderOver(presence)
    const reach = { finder, connect, pubsub, rpc: rpc.client, mailbox: deps.mailbox }
    const ways = new AgentWays({ ...room, ...reach, sealer, binding: () => presence.binding() })
    const outbox = { ...room, ways, store: this.#files.outbox, told }
    this.#outbox = new Outbox(outbox, limits)
    const kept = { store: this.#files.inbox, clock }
    this.#kept = new Inbox(
      { ...kept, told: (message) => this.#events.emit('message', message) },
      limits,
    )
    const { gate, requireRegistered, isBlocked, address } = deps
    const newest = (of: EthAddress) => presence.newest(of)
    this.#senders = new SenderCheck({ gate, requireRegistered, isBlocked, clock, newest })
    const checks = { senders: this.#senders, address, opener, pubsub }
    const ours = { inbox: this.#kept, outbox: this.#outbox }
    const receiptRate = new ReceiptRate(clock, limits)
    this.#intake = new Intake({ ...room, ...checks, ...ours, receiptRate })
    this.#receipts = new ReceiptsOut({ ways, log })
    const desk = { ...room, ...checks, eth: deps.openpond ?? null, told }
    this.#openpond = new OpenPondDesk({ ...desk, inbox: this.#kept })
    this.inbox = this.#inboxFace()
    this.#serve()
  }

  get address(): EthAddress | undefined {
    return this.#deps.address()
  }

  get peer(): PeerId {
    return this.#deps.host.self
  }

  async start(): Promise<void> {
    const { host, roster, presence, preKeys, pubsub } = this.#deps
    // Messages that are on their way are sealed against keys of the last run.
    await preKeys.current()
    await this.#outbox.start()
    this.#isUp = true
    this.#unsubscribe.push(
      host.events.on('identified', ({ peer }) => this.#outbox.isBack(peer)),
      roster.events.on('agent', (change) => {
        const { agent, state } = change
        if (state === 'here') this.#outbox.isBack(agent.peer, agent.address)
        this.#events.emit('agent', change)
      }),
      // What waits for the address was sealed for a peer that it has left.
      presence.events.on('moved', ({ peer, binding }) => {
        this.#outbox.isBack(peer, binding.address)
      }),
    )
    if (pubsub !== null) this.#hearing = this.#hear(pubsub)
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#isUp = false
    this.#life.abort()
    await this.#outbox.stop()
    await this.#receipts.stop()
    await this.#hearing
    this.#files.inbox.close()
    this.#files.outbox.close()
  }

  /** Messages of ours whose way is not over. */
  get queued(): number {
    return this.#outbox.open
  }

  on<Name extends keyof AgentEvents>(
    event: Name,
    listener: (payload: AgentEvents[Name]) => void,
  ): () => void {
    return this.#events.on(event, listener)
  }

  agents() {
    return this.#deps.roster.agents()
  }

  async send(to: string, body: Uint8Array, options: SendOptions = {}): Promise<Delivery> {
    if (options.form === 'openpond') return this.#openpond.send(to, body, options)
    const draft = this.#draft(isAddress(to) ? ethAddress(to) : peerId(to), body, options)
    const isOwn = [this.peer, this.address?.toLowerCase()].includes(wayOf(draft.to))
    if (!isOwn) {
      this.#kept.know(wayOf(draft.to))
      return this.#outbox.send(draft, options.signal)
    }
    const { id, sentAt: at } = draft
    const from = { peer: this.peer, ...(this.address && { address: this.address }) }
    this.#kept.take(toSelf({ ...draft, from }), true)
    const delivery: Delivery = { id, to: draft.to, state: 'delivered', at }
    this.#told(delivery)
    return delivery
  }

  async broadcast(body: Uint8Array, options: SendOptions = {}): Promise<Delivery> {
    if (options.form === 'openpond') return this.#openpond.send(EVERYBODY, body, options)
    const { pubsub, network, signer, presence, clock } = this.#deps
    const limit = TOPIC_BYTES_MAX - AROUND_BODY_BYTES
    if (body.length > limit) {
      throw MessageError.MESSAGE_TOO_LARGE({ size: body.length, limit, how: 'to everybody' })
    }
    const draft = this.#draft(EVERYBODY, body, options)
    const { id } = draft
    const binding = presence.binding()
    const said = { ...inTheClear(draft, this.peer), ...(binding !== undefined && { binding }) }
    const bytes = await writeEnvelope(said, signer, { network })
    const waits = options.signal === undefined ? {} : { signal: options.signal }
    const patience = { waitForMeshMs: LISTENERS_MS }
    const value = heardOf(bytes, network)
    const sent = await pubsub?.publish(MESSAGE_TOPIC, value, { ...waits, ...patience })
    const isSent = sent?.state === 'sent'
    const reason = pubsub === null ? 'this node takes no part in topics' : 'nobody listens now'
    const state = isSent ? { state: 'sent' as const } : { state: 'failed' as const, reason }
    const delivery = { id, to: EVERYBODY, ...state, at: clock.now() }
    this.#told(delivery)
    return delivery
  }

  /**
   * Takes an envelope that came by another way than a stream of its sender, whom a receipt is then
   * sent; it is returned as well. Throws why not, retryable where it may be taken later.
   */
  async take(envelope: Uint8Array, origin: Origin): Promise<Uint8Array | undefined> {
    const taken = await this.#intake.take(envelope, origin)
    const { from, receipt } = taken ?? {}
    if (from !== undefined && receipt !== undefined) this.#receipts.send(from, receipt)
    return receipt
  }

  /** What peers ask of us; known before the first of them comes. */
  #serve(): void {
    const { rpc, preKeys } = this.#deps
    rpc.server.handle(DELIVER, async (payload, { peer }) => {
      // Its size is looked at first of all by whoever counts refusals.
      if (!(payload instanceof Uint8Array)) {
        throw WireError.MALFORMED({ field: 'envelope', found: typeof payload })
      }
      if (!this.#isUp) throw MessageError.NOT_RUNNING({})
      const taken = await this.#intake.take(payload, { route: 'direct', by: peer })
      this.#outbox.reached(peer)
      if (taken?.receipt === undefined) return null
      // Who brings the message of somebody else gets no receipt to keep back.
      if (taken.from === peer) return taken.receipt
      this.#receipts.send(taken.from, taken.receipt)
      return null
    })
    rpc.server.handle(KEYS, async (): Promise<Cbor> => (await preKeys.current()).map(packPreKey))
  }

  #hear(pubsub: NonNullable<AgentDeps['pubsub']>): Promise<void> {
    const { network, log } = this.#deps
    const hearing: HearingDeps = {
      network,
      log,
      openpond: this.#openpond.isOpen,
      take: (heard, by) => {
        if ('openpond' in heard) return this.#openpond.take(heard.openpond, by)
        // Whom we hear is there again, whichever way its words came.
        this.#outbox.reached(by)
        return this.take(heard.bytes, { route: 'gossip', by })
      },
      waiting: () => this.#senders.waiting,
      refused: (author, error) => this.#intake.refused(error, { route: 'gossip', by: author }),
    }
    return hearMessages(pubsub, hearing, this.#life.signal)
  }

  #inboxFace(): InboxFace {
    return {
      list: (options) => this.#kept.list(options),
      wait: (options) => this.#kept.wait(options),
      read: async (id) => {
        const found = this.#kept.read(id)
        for (const { message, hash, wasRead } of found) {
          const { peer } = message.from
          if (wasRead || message.broadcast || peer === this.peer) continue
          if (message.route === 'openpond') continue
          this.#receipts.send(peer, await this.#intake.read({ id, peer, hash }))
        }
        return found.map(({ message }) => message)
      },
    }
  }

  #draft(to: string, body: Uint8Array, options: SendOptions): Draft {
    const { clock, random } = this.#deps
    const { conversation, replyTo, contentType, expiresMs = this.#limits.messageExpiryMs } = options
    checkSaid(body, { ...(replyTo !== undefined && { replyTo }), expiresMs })
    const sentAt = clock.now()
    const draft = {
      id: newId(random),
      to,
      body: new Uint8Array(body),
      ...(conversation !== undefined && { conversation }),
      ...(replyTo !== undefined && { replyTo }),
      ...(contentType !== undefined && { contentType }),
      sentAt,
      expiresAt: sentAt + expiresMs,
    }
    // What no receiver would take is refused before it is queued.
    const said = inTheClear(draft, this.peer)
    const hasText = conversation !== undefined || contentType !== undefined
    if (hasText) headerOf(said, this.#deps.network)
    else checkDraft(said)
    return draft
  }

  #told(delivery: Delivery): void {
    this.#deps.metrics.deliveries.add(1, { state: delivery.state })
    this.#events.emit('delivery', delivery)
  }
}
