/**
 * GossipSub behind our guard: every frame of a peer passes here before the router sees it.
 *
 * Made before the host, because libp2p starts it with its other services; what it asks for verdicts
 * (`guard`) comes later, and until then nothing is let in. The library is loaded when it is wanted,
 * so that a node without topics does not pay for it.
 */

import type { GossipSubComponents, TopicValidatorFn } from '@libp2p/gossipsub'
import type { PeerId as Libp2pPeerId } from '@libp2p/interface'
import type { Logger } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Admission, Checks } from './checks.ts'
import type { PubsubConfig } from './config.ts'
import { PubsubError, reasonOf } from './errors.ts'
import { Interests } from './interests.ts'
import type { PubsubMetrics } from './metrics.ts'
import {
  FRAME_BYTES_SENT_MAX,
  gossipsubSettings,
  MESSAGE_OVERHEAD_BYTES,
  TOPIC_SCORE,
} from './settings.ts'
import { type RawMessage, type Rpc, type Stock, wrap } from './stock.ts'

/** Who decides about what comes in. Names of topics are those on the wire. */
export interface Guard extends Pick<Checks, 'admits' | 'judge'> {
  /** Whether the router should know who subscribes to a topic. */
  knows(wire: string): boolean
}

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
  /** Resolves with the number of peers the message was handed to. */
  publish(wire: string, data: Uint8Array): Promise<number>
  /** Calls back when listeners may have changed; the function returned ends it. */
  onChange(changed: () => void): () => void
}

export interface GossipDeps {
  readonly policy: Admission
  readonly log: Logger
  readonly metrics: Pick<PubsubMetrics, 'refusals'>
}

type Gossipsub = typeof import('@libp2p/gossipsub').gossipsub

/** Loads GossipSub. Hand `service` to `createNet` and the whole to `Pubsub`. */
export async function gossipService(deps: GossipDeps, config: PubsubConfig): Promise<Gossip> {
  const { gossipsub } = await import('@libp2p/gossipsub')
  return new Gossip({ ...deps, gossipsub }, config)
}

/** Longest multihash of an author that is worth a look among the messages seen. */
const AUTHOR_BYTES_MAX = 64
/** As long as a peer may ask us to stay out of its mesh. */
const BACKOFF_SECONDS_MAX = 3_600

export class Gossip implements Router {
  readonly #deps: GossipDeps & { readonly gossipsub: Gossipsub }
  readonly #config: PubsubConfig
  readonly #interests: Interests
  readonly #listeners = new Set<() => void>()
  /** The last attempt to open a stream to each peer. */
  readonly #opening = new Map<string, Promise<void>>()
  #stock: Stock | undefined
  #guard: Guard | undefined
  #self: PeerId | undefined

  constructor(deps: GossipDeps & { readonly gossipsub: Gossipsub }, config: PubsubConfig) {
    this.#deps = deps
    this.#config = config
    this.#interests = new Interests(config.topicsPerPeerMax)
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
    const settings = { ...gossipsubSettings(this.#config), fastMsgIdFn }
    const stock = this.#deps.gossipsub(settings)(given) as Stock
    this.#self = peerId(given.peerId.toString())
    this.#stock = stock
    this.#standBefore(stock)
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
    delete stock.score.params.topics[wire]
  }

  listeners(wire: string): number {
    const stock = this.#stock
    const subscribers = stock?.getSubscribers(wire) ?? []
    return subscribers.filter((peer) => stock?.streamsOutbound.has(peer.toString())).length
  }

  async publish(wire: string, data: Uint8Array): Promise<number> {
    const result = await this.#stock?.publish(wire, data)
    return result?.recipients.length ?? 0
  }

  onChange(changed: () => void): () => void {
    this.#listeners.add(changed)
    return () => this.#listeners.delete(changed)
  }

  #standBefore(stock: Stock): void {
    wrap(stock, 'handleReceivedRpc', (handle) => async (from, rpc) => {
      await handle(from, this.#admitted(peerId(from.toString()), rpc))
      if ((rpc.subscriptions?.length ?? 0) > 0) this.#changed()
    })
    wrap(stock, 'validateReceivedMessage', (validate) => async (from, message) => {
      const validated = await validate(from, message)
      if (validated.code === 'invalid' && validated.error !== undefined) {
        this.#refused('signature', from, validated.error)
      }
      return validated
    })
    wrap(stock, 'onIncomingStream', (accept) => (stream, connection) => {
      const peer = connection.remotePeer
      try {
        this.#deps.policy.admit(peerId(peer.toString()), 'stream')
      } catch (error) {
        this.#refused('stream', peer, reasonOf(error))
        stream.abort(PubsubError.STREAM_REFUSED({ reason: reasonOf(error) }))
        return
      }
      accept(stream, connection)
    })
    // Stock opens one stream after the other, so that a peer which never answers holds up all.
    wrap(stock, 'createOutboundStream', (open) => (peer, connection) => {
      const id = peer.toString()
      const opened = (this.#opening.get(id) ?? Promise.resolve()).then(() => open(peer, connection))
      this.#opening.set(id, opened)
      void opened.finally(() => {
        if (this.#opening.get(id) === opened) this.#opening.delete(id)
        this.#changed()
      })
      return Promise.resolve()
    })
    wrap(stock, 'removePeer', (remove) => (peer) => {
      this.#interests.forget(peerId(peer.toString()))
      remove(peer)
    })
    wrap(stock, 'sendRpc', (send) => (id, rpc) => send(id, fitting(rpc)))
    // Stock leaves its last heartbeat waiting, and a process with it.
    const stop = stock.stop.bind(stock)
    stock.stop = async () => {
      const { heartbeatTimeout } = stock.status
      await stop()
      clearTimeout(heartbeatTimeout)
    }
  }

  /** What of a frame the router gets to see. */
  #admitted(source: PeerId, rpc: Rpc): Rpc {
    const guard = this.#guard
    const { taken, refused } = this.#interests.note(source, rpc.subscriptions ?? [])
    if (refused > 0) this.#deps.metrics.refusals.add(refused, { reason: 'topics' })
    return {
      ...rpc,
      // Goodbyes pass in any case: the router may know a topic that we have forgotten.
      subscriptions: taken.filter(
        ({ topic = '', subscribe }) => subscribe !== true || guard?.knows(topic) === true,
      ),
      messages: (rpc.messages ?? []).filter(
        ({ topic, data }) => guard?.admits(source, topic, data?.length ?? 0) === true,
      ),
      ...(rpc.control === undefined ? {} : { control: bounded(rpc.control) }),
    }
  }

  #validator(wire: string): TopicValidatorFn {
    const judge: (source: Libp2pPeerId, message: Parameters<TopicValidatorFn>[1]) => string = (
      source,
      message,
    ) => {
      if (message.type !== 'signed' || this.#guard === undefined) return 'reject'
      const author = peerId(message.from.toString())
      const signed = { author, sequence: message.sequenceNumber, data: message.data }
      return this.#guard.judge(peerId(source.toString()), wire, signed)
    }
    // The library's enum has these words for values.
    return judge as TopicValidatorFn
  }

  #refused(reason: string, peer: { toString(): string }, why: string): void {
    this.#deps.metrics.refusals.add(1, { reason })
    this.#deps.log.debug('gossip refused', { peer: peer.toString(), reason, why })
  }

  #changed(): void {
    for (const changed of [...this.#listeners]) changed()
  }
}

/** Author and number name a message: one that was seen is known before its signature is checked. */
function fastMsgIdFn({ from, seqno }: RawMessage): string {
  if (from === undefined || seqno === undefined || from.length > AUTHOR_BYTES_MAX) return ''
  return `${Buffer.from(from).toString('latin1')} ${Buffer.from(seqno).toString('latin1')}`
}

/** A peer that lets us go names neither other peers nor a time that never ends. */
function bounded(control: NonNullable<Rpc['control']>): NonNullable<Rpc['control']> {
  if (control.prune === undefined) return control
  const prune = control.prune.map((one) => ({
    ...one,
    peers: [],
    backoff: Math.min(one.backoff ?? 0, BACKOFF_SECONDS_MAX),
  }))
  return { ...control, prune }
}

/** Stock answers IWANT with all at once, and a frame too long ends gossip between two peers. */
function fitting(rpc: Rpc): Rpc {
  const messages = rpc.messages ?? []
  if (messages.length < 2) return rpc
  let room = FRAME_BYTES_SENT_MAX
  const end = messages.findIndex(({ data }) => {
    room -= (data?.length ?? 0) + MESSAGE_OVERHEAD_BYTES
    return room < 0
  })
  return end < 0 ? rpc : { ...rpc, messages: messages.slice(0, end) }
}
