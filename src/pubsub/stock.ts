/**
 * What of `@libp2p/gossipsub` we hold on to beyond its public face, in one place.
 *
 * It has no hook before a signature is verified that knows who sent the message, none that sees
 * what was refused, and no way to bound answers or what waits for a slow peer. So some of its
 * methods are wrapped on the one instance we make, and publishing, whose numbers it makes itself,
 * is done on its parts. The version is exact in package.json; `wrap` and `checkParts` fail at
 * start, by name, when a part is not there, and the tests of this room fail when one is no longer
 * called.
 */

import type { GossipSub, Message as LibraryMessage } from '@libp2p/gossipsub'
import type { TopicScoreParams } from '@libp2p/gossipsub/score'
import type { Connection, PeerId as Libp2pPeerId, PrivateKey, Stream } from '@libp2p/interface'
import { PubsubError } from './errors.ts'
import type { SubscriptionNote } from './interests.ts'

/** A message as it stands in a frame; every field is a stranger's. */
export interface RawMessage {
  readonly from?: Uint8Array
  readonly data?: Uint8Array
  readonly seqno?: Uint8Array
  readonly topic: string
  readonly signature?: Uint8Array
  readonly key?: Uint8Array
}

/** GossipSub's one frame. */
export interface Rpc {
  readonly subscriptions?: readonly SubscriptionNote[]
  readonly messages?: readonly RawMessage[]
  readonly control?: RpcControl | undefined
}

interface RpcControl {
  readonly prune?: readonly { readonly backoff?: number; readonly peers?: readonly unknown[] }[]
  readonly graft?: readonly unknown[]
}

/** Bytes of a frame, perhaps in several pieces. */
export interface FrameBytes {
  readonly byteLength: number
  subarray(): Uint8Array
}

/** Methods that GossipSub calls on itself, and that we stand in front of. */
export interface Wrapped {
  /** All frames of one stream of a peer, undecoded. */
  pipePeerReadStream(from: Libp2pPeerId, frames: AsyncIterable<FrameBytes>): Promise<void>
  /** One whole frame of a peer. */
  handleReceivedRpc(from: Libp2pPeerId, rpc: Rpc): Promise<void>
  /** Verifies a signature, then asks the topic's validator. */
  validateReceivedMessage(from: Libp2pPeerId, message: RawMessage): Promise<Validated>
  onIncomingStream(stream: Stream, connection: Connection): void
  /** A peer that speaks gossip was met, over this connection. */
  onPeerConnected(peer: Libp2pPeerId, connection: Connection): void
  createOutboundStream(peer: Libp2pPeerId, connection: Connection): Promise<void>
  removePeer(peer: Libp2pPeerId): void
  sendRpc(id: string, rpc: Rpc): boolean
}

/** `error` is there when the message itself is false: unsigned, or not by whom it says. */
export interface Validated {
  readonly code: string
  readonly error?: string
}

/** A stream to a peer as the library keeps it; all its frames pass `pushPrefixed`. */
export interface OutboundStream {
  readonly rawStream: RawStream
  pushPrefixed(frame: FrameBytes): void
  close(): Promise<void>
}

/** What we ask of libp2p's stream beneath. */
export interface RawStream {
  readonly writableNeedsDrain: boolean
  send(frame: FrameBytes): boolean
  abort(error: Error): void
  addEventListener(name: 'drain', listener: () => void): void
}

/** Who signs what is published; there once the router is started. */
export interface PublishConfig {
  readonly author: Libp2pPeerId
  readonly key: Uint8Array
  readonly privateKey: Pick<PrivateKey, 'sign' | 'publicKey'>
}

interface MessageId {
  readonly msgId: Uint8Array
  readonly msgIdStr: string
}

/** Where the router keeps what was seen and what is told of, and how it hands messages out. */
interface Parts {
  readonly publishConfig: PublishConfig | undefined
  readonly seenCache: { put(id: string): unknown }
  readonly fastMsgIdCache: { put(fast: string, id: string): unknown }
  readonly publishedMessageIds: { put(id: string): unknown }
  readonly mcache: { put(id: MessageId, message: RawMessage, validated: boolean): unknown }
  readonly gossipTracer: { deliverMessage(id: string): void }
  readonly mesh: ReadonlyMap<string, ReadonlySet<string>>
  readonly peers: ReadonlyMap<string, Libp2pPeerId>
  readonly streamsInbound: ReadonlyMap<string, { readonly rawStream: Pick<RawStream, 'abort'> }>
  readonly streamsOutbound: Map<string, OutboundStream>
  readonly topicValidators: Map<string, unknown>
  readonly score: {
    readonly params: { readonly topics: Record<string, TopicScoreParams> }
    readonly peerStats: ReadonlyMap<string, { readonly topics: Record<string, unknown> }>
    /** Scores as they were up to a heartbeat ago. */
    readonly scoreCache: { delete(id: string): unknown }
    score(id: string): number
  }
  msgIdFn(message: LibraryMessage): Promise<Uint8Array> | Uint8Array
  msgIdToStrFn(id: Uint8Array): string
  selectPeersToPublish(topic: string): { readonly tosend: Set<string> }
  /** Takes out of `peers` whom it could not be handed to. */
  sendRpcInBatch(peers: Set<string>, rpc: Rpc): void
}

/** The router as it is inside. */
export interface Stock extends Omit<GossipSub, keyof Parts>, Wrapped, Parts {
  readonly status: { readonly heartbeatTimeout?: NodeJS.Timeout }
  isStarted(): boolean
  start(): Promise<void>
  stop(): Promise<void>
}

/** Those that are there from the beginning; `publishConfig` comes with the start. */
const PARTS = [
  'seenCache',
  'fastMsgIdCache',
  'publishedMessageIds',
  'mcache',
  'gossipTracer',
  'mesh',
  'peers',
  'streamsInbound',
  'streamsOutbound',
  'topicValidators',
  'score',
  'msgIdFn',
  'msgIdToStrFn',
  'selectPeersToPublish',
  'sendRpcInBatch',
] as const satisfies readonly (keyof Parts)[]

/** Throws when the library lacks a part that we reach for later. */
export function checkParts(stock: Stock): void {
  for (const part of PARTS) {
    const found: unknown = stock[part]
    if (found === undefined || found === null) throw PubsubError.STOCK_CHANGED({ missing: part })
  }
}

/** Puts `make(original)` in place of a method of this instance. */
export function wrap<Name extends keyof Wrapped>(
  stock: Wrapped,
  name: Name,
  make: (original: Wrapped[Name]) => Wrapped[Name],
): void {
  const original: unknown = stock[name]
  if (typeof original !== 'function') throw PubsubError.STOCK_CHANGED({ missing: name })
  const value = make(original.bind(stock) as Wrapped[Name])
  Object.defineProperty(stock, name, { value, configurable: true })
}
