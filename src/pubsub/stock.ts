/**
 * What of `@libp2p/gossipsub` we hold on to beyond its public face, in one place.
 *
 * It has no hook before a signature is verified that knows who sent the message, none that sees
 * what was refused, and no way to bound answers. So some of its methods are wrapped on the one
 * instance we make. The version is exact in package.json; `wrap` fails at start, by name, when a
 * method is not there, and the tests of this room fail when one is no longer called.
 */

import type { GossipSub } from '@libp2p/gossipsub'
import type { TopicScoreParams } from '@libp2p/gossipsub/score'
import type { Connection, PeerId as Libp2pPeerId, Stream } from '@libp2p/interface'
import { PubsubError } from './errors.ts'
import type { SubscriptionNote } from './interests.ts'

/** A message as it stands in a frame; every field is a stranger's. */
export interface RawMessage {
  readonly from?: Uint8Array
  readonly data?: Uint8Array
  readonly seqno?: Uint8Array
  readonly topic: string
}

/** GossipSub's one frame. */
export interface Rpc {
  readonly subscriptions?: readonly SubscriptionNote[]
  readonly messages?: readonly RawMessage[]
  readonly control?: RpcControl
}

interface RpcControl {
  readonly prune?: readonly { readonly backoff?: number; readonly peers?: readonly unknown[] }[]
}

/** Methods that GossipSub calls on itself, and that we stand in front of. */
export interface Wrapped {
  /** One whole frame of a peer. */
  handleReceivedRpc(from: Libp2pPeerId, rpc: Rpc): Promise<void>
  /** Verifies a signature, then asks the topic's validator. */
  validateReceivedMessage(from: Libp2pPeerId, message: RawMessage): Promise<Validated>
  onIncomingStream(stream: Stream, connection: Connection): void
  createOutboundStream(peer: Libp2pPeerId, connection: Connection): Promise<void>
  removePeer(peer: Libp2pPeerId): void
  sendRpc(id: string, rpc: Rpc): boolean
}

/** `error` is there when the message itself is false: unsigned, or not by whom it says. */
export interface Validated {
  readonly code: string
  readonly error?: string
}

/** The router as it is inside. */
export interface Stock extends GossipSub, Wrapped {
  readonly peers: ReadonlyMap<string, Libp2pPeerId>
  readonly streamsOutbound: ReadonlyMap<string, unknown>
  readonly score: { readonly params: { readonly topics: Record<string, TopicScoreParams> } }
  readonly status: { readonly heartbeatTimeout?: NodeJS.Timeout }
  isStarted(): boolean
  start(): Promise<void>
  stop(): Promise<void>
}

/** Puts `make(original)` in place of a method of this instance. */
export function wrap<Name extends keyof Wrapped>(
  stock: Stock,
  name: Name,
  make: (original: Wrapped[Name]) => Wrapped[Name],
): void {
  const original: unknown = stock[name]
  if (typeof original !== 'function') throw PubsubError.STOCK_CHANGED({ missing: name })
  Object.defineProperty(stock, name, { value: make(original.bind(stock) as Wrapped[Name]) })
}
