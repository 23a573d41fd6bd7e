/**
 * GossipSub behind our guard: every frame of a peer passes `inlets` before the router sees it, and
 * every frame to a peer passes `outlets`.
 *
 * Made before the host, because libp2p starts it with its other services; what it asks for verdicts
 * (`guard`) comes later, and until then nothing is let in. The library is loaded when it is wanted,
 * so that a node without topics does not pay for it.
 */

import type { GossipSubComponents, TopicValidatorFn } from '@libp2p/gossipsub'
import type { PeerId as Libp2pPeerId } from '@libp2p/interface'
import type { Clock, Logger } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Admission } from './checks.ts'
import { Conduct, LEFT_POINTS_MAX } from './conduct.ts'
import type { PubsubConfig } from './config.ts'
import { reasonOf } from './errors.ts'
import { type Guard, Inlets } from './inlets.ts'
import { Interests } from './interests.ts'
import type { PubsubMetrics } from './metrics.ts'
import { kindOf, Outlets } from './outlets.ts'
import { authored, nameOf } from './raw-message.ts'
import { fitting, gossipsubSettings, TOPIC_SCORE } from './settings.ts'
import { checkParts, type RawMessage, type Stock, type Wrapped, wrap } from './stock.ts'
import { Streams } from './streams.ts'

/** The router as `Pubsub` sees it. Names of topics are those on the wire. */
export interface Router {
  readonly self: PeerId | undefined
  readonly isUp: boolean
  guard(guard: Guard): void
  /** Tells the router who has subscribed to a topic that is known from now on. */
  learn(wire: string): void
  join(wire: string): void
  leave(wire: string): void
  /** Peers that subscribe to a topic and can be sent a message now. */
  listeners(wire: string): number
  /** Peers that we pass each message of a topic on to; none where we do not subscribe. */
  mesh(wire: string): readonly PeerId[]
  /** Signs a message of this number, and resolves with how many peers it was handed to. */
  publish(wire: string, data: Uint8Array, sequence: bigint): Promise<number>
  /** Holds points against a peer for what it did elsewhere, up to `max` in all. */
  blame(peer: PeerId, points: number, max: number): void
  /** Judges a message that `source` gave us when asked; resolves with whether it was delivered. */
  take(source: PeerId, message: RawMessage): Promise<boolean>
  /** Calls back with each message that was delivered here, and each of our own. */
  onMessage(passed: (message: RawMessage) => void): void
  /** Calls back when listeners or meshes may have changed; the function returned ends it. */
  onChange(changed: () => void): () => void
}

export interface GossipDeps {
  readonly policy: Admission
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<PubsubMetrics, 'refusals' | 'slowDropped' | 'cooled'>
}

type Gossipsub = typeof import('@libp2p/gossipsub').gossipsub

/** Loads GossipSub. Hand `service` to `createNet` and the whole to `Pubsub`. */
export async function gossipService(deps: GossipDeps, config: PubsubConfig): Promise<Gossip> {
  const { gossipsub } = await import('@libp2p/gossipsub')
  return new Gossip({ ...deps, gossipsub }, config)
}

/** What the library calls a message that passed everything. */
const VALID = 'valid'

export class Gossip implements Router {
  readonly #deps: GossipDeps & { readonly gossipsub: Gossipsub }
  readonly #config: PubsubConfig
  readonly #interests: Interests
  readonly #conduct: Conduct
  readonly #inlets: Inlets
  readonly #outlets: Outlets
  readonly #streams: Streams
  readonly #listeners = new Set<() => void>()
  #passed: (message: RawMessage) => void = () => undefined
  #stock: Stock | undefined
  #guard: Guard | undefined
  #self: PeerId | undefined

  constructor(deps: GossipDeps & { readonly gossipsub: Gossipsub }, config: PubsubConfig) {
    this.#deps = deps
    this.#config = config
    this.#interests = new Interests(config.topicsPerPeerMax)
    this.#conduct = new Conduct(deps.clock, config)
    const parts = { interests: this.#interests, conduct: this.#conduct }
    this.#inlets = new Inlets({ ...deps, ...parts, guard: () => this.#guard })
    this.#outlets = new Outlets({ ...deps, slow: (peer) => this.#slow(peer) }, config)
    const outlets = this.#outlets
    this.#streams = new Streams({ ...deps, outlets, changed: () => this.#changed() })
  }

  get self(): PeerId | undefined {
    return this.#self
  }

  get isUp(): boolean {
    return this.#stock?.isStarted() === true
  }

  /** Made by libp2p, from its components; started and stopped with it. */
  readonly service = (components: unknown): unknown => {
    const given = components as GossipSubComponents
    const appSpecificScore = (peer: string) => this.#conduct.score(peer)
    const settings = { ...gossipsubSettings(this.#config, appSpecificScore), fastMsgIdFn: nameOf }
    const stock = this.#deps.gossipsub(settings)(given) as unknown as Stock
    checkParts(stock)
    this.#self = peerId(given.peerId.toString())
    this.#stock = stock
    this.#streams.stand(stock)
    this.#standBeforeInlets(stock)
    this.#standBeforeOutlets(stock)
    stock.addEventListener('gossipsub:heartbeat', () => this.#streams.mend(stock))
    for (const event of ['gossipsub:graft', 'gossipsub:prune', 'gossipsub:heartbeat'] as const) {
      stock.addEventListener(event, () => this.#changed())
    }
    return stock
  }

  guard(guard: Guard): void {
    this.#guard = guard
  }

  learn(wire: string): void {
    for (const peer of this.#interests.peersOf(wire)) {
      const known = this.#stock?.peers.get(peer)
      if (known === undefined) continue
      // Comes in as if it had been said just now; the guard knows the topic by now.
      const rpc = { subscriptions: [{ topic: wire, subscribe: true }], messages: [] }
      this.#stock?.handleReceivedRpc(known, rpc).catch((error: unknown) => {
        this.#deps.log.warn('subscription of a peer was lost', { peer, why: reasonOf(error) })
      })
    }
  }

  join(wire: string): void {
    const stock = this.#stock
    if (stock === undefined) return
    stock.score.params.topics[wire] = TOPIC_SCORE
    stock.topicValidators.set(wire, this.#validator(wire))
    stock.subscribe(wire)
  }

  leave(wire: string): void {
    const stock = this.#stock
    if (stock === undefined || !stock.isStarted()) return
    stock.unsubscribe(wire)
    stock.topicValidators.delete(wire)
    // The library looks up the parameters of every topic in which a peer has done something.
    for (const { topics } of stock.score.peerStats.values()) delete topics[wire]
    delete stock.score.params.topics[wire]
  }

  listeners(wire: string): number {
    const stock = this.#stock
    const subscribers = (stock?.getSubscribers(wire) ?? []).map((peer) => peer.toString())
    return subscribers.filter((peer) => {
      return stock?.streamsOutbound.has(peer) === true && !this.#conduct.isCool(peer)
    }).length
  }

  mesh(wire: string): readonly PeerId[] {
    return [...(this.#stock?.mesh.get(wire) ?? [])].map(peerId)
  }

  async publish(wire: string, data: Uint8Array, sequence: bigint): Promise<number> {
    const stock = this.#stock
    const signer = stock?.publishConfig
    if (stock === undefined || signer === undefined) return 0
    const message = await authored(stock, signer, { wire, data, sequence })
    this.#passed(message)
    const { tosend } = stock.selectPeersToPublish(wire)
    const told = new Set([...tosend].filter((peer) => !this.#conduct.isCool(peer)))
    const rpc = { subscriptions: [], messages: [message] }
    this.#outlets.during(
      () => 'own',
      () => stock.sendRpcInBatch(told, rpc),
    )
    return told.size
  }

  blame(peer: PeerId, points: number, max: number): void {
    this.#conduct.offend(peer, points, max)
  }

  async take(source: PeerId, message: RawMessage): Promise<boolean> {
    const stock = this.#stock
    const from = stock?.peers.get(source)
    const bytes = message.data?.length ?? 0
    if (stock === undefined || from === undefined) return false
    if (this.#guard?.admits(source, message.topic, bytes) !== true) return false
    const { code } = await stock.validateReceivedMessage(from, message)
    return code === VALID
  }

  onMessage(passed: (message: RawMessage) => void): void {
    this.#passed = passed
  }

  onChange(changed: () => void): () => void {
    this.#listeners.add(changed)
    return () => this.#listeners.delete(changed)
  }

  #standBeforeInlets(stock: Stock): void {
    const inlets = this.#inlets
    wrap(stock, 'onIncomingStream', (accept) => (stream, connection) => {
      if (inlets.takesStream(stream, connection)) accept(stream, connection)
    })
    wrap(stock, 'pipePeerReadStream', (read) => (from, frames) => {
      const inbound = stock.streamsInbound.get(from.toString())
      return read(
        from,
        inlets.sound(from, frames, (error) => inbound?.rawStream.abort(error)),
      )
    })
    wrap(stock, 'handleReceivedRpc', (handle) => async (from, rpc) => {
      await handle(from, inlets.admitted(peerId(from.toString()), rpc))
      if ((rpc.subscriptions?.length ?? 0) > 0) this.#changed()
    })
    wrap(stock, 'validateReceivedMessage', (validate) => async (from, message) => {
      const validated = await validate(from, message)
      if (validated.code === VALID) this.#passed(message)
      if (validated.code === 'invalid' && validated.error !== undefined) {
        inlets.refuse('signature', from, validated.error)
      }
      return validated
    })
  }

  #standBeforeOutlets(stock: Stock): void {
    wrap(stock, 'removePeer', (remove) => (peer) => this.#remove(peer, stock, remove))
    wrap(stock, 'sendRpc', (send) => (id, rpc) => {
      const fit = fitting(rpc)
      // Stock adds to what it is given, so that its kind shows only when it is written.
      return this.#outlets.during(
        () => kindOf(fit),
        () => send(id, fit),
      )
    })
    // Stock leaves its last heartbeat waiting, and a process with it.
    const stop = stock.stop.bind(stock)
    stock.stop = async () => {
      const { heartbeatTimeout } = stock.status
      await stop()
      clearTimeout(heartbeatTimeout)
    }
  }

  /** Stock forgets what it held against a peer as soon as that comes back; we keep it. */
  #remove(peer: Libp2pPeerId, stock: Stock, remove: Wrapped['removePeer']): void {
    const id = peer.toString()
    this.#interests.forget(peerId(id))
    stock.score.scoreCache.delete(id)
    const others = stock.peers.has(id) ? stock.score.score(id) - this.#conduct.score(id) : 0
    if (others < 0) this.#conduct.offend(id, Math.min(LEFT_POINTS_MAX, -others))
    remove(peer)
  }

  #slow(peer: string): void {
    const pauseMs = this.#conduct.slow(peer)
    if (pauseMs === undefined) return
    this.#deps.metrics.cooled.add(1)
    this.#deps.log.warn('peer takes gossip too slowly and is left alone', { peer, pauseMs })
    this.#changed()
  }

  #validator(wire: string): TopicValidatorFn {
    const judge: (source: Libp2pPeerId, message: Parameters<TopicValidatorFn>[1]) => string = (
      source,
      message,
    ) => {
      if (message.type !== 'signed' || this.#guard === undefined) return 'reject'
      const author = peerId(message.from.toString())
      const taken = { author, sequence: message.sequenceNumber, data: message.data }
      return this.#guard.judge(peerId(source.toString()), wire, taken)
    }
    // The library's enum has these words for values.
    return judge as TopicValidatorFn
  }

  #changed(): void {
    for (const changed of [...this.#listeners]) changed()
  }
}
