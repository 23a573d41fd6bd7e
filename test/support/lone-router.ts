/**
 * One GossipSub of the library without a network: peers are names with a stream that notes what it
 * is given, frames are handed in, and time is `Date`, which a test may fake. For what takes minutes
 * or a hundred peers.
 */

import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { signedBytes } from '../../src/pubsub/raw-message.ts'
import { sequenceAt } from '../../src/pubsub/sequence.ts'
import type { RawMessage, Rpc } from '../../src/pubsub/stock.ts'

export interface LonePeer {
  readonly id: PeerId
  readonly key: PrivateKey
}

/** What of the router these tests reach for. */
export interface LoneRouter {
  readonly mesh: ReadonlyMap<string, ReadonlySet<string>>
  readonly outbound: ReadonlyMap<string, boolean>
  readonly streamsOutbound: Map<string, unknown>
  readonly score: { score(id: string): number }
  start(): Promise<void>
  stop(): Promise<void>
  heartbeat(): Promise<void>
  subscribe(topic: string): void
  addPeer(peer: PeerId, direction: 'inbound' | 'outbound', address: unknown): void
  handleReceivedRpc(from: PeerId, rpc: object): Promise<void>
  addEventListener(name: 'message', listener: () => void): void
}

export async function newPeer(): Promise<LonePeer> {
  const key = await generateKeyPair('Ed25519')
  return { key, id: peerIdFromPrivateKey(key) }
}

const nothing = () => undefined
const log = Object.assign(nothing, { error: nothing, trace: nothing, newScope: () => log })

/** What libp2p hands a service; nobody is connected. */
export function components({ id, key }: LonePeer): unknown {
  return {
    peerId: id,
    privateKey: key,
    logger: { forComponent: () => log },
    registrar: { handle: nothing, unhandle: nothing, register: () => '', unregister: nothing },
    connectionManager: {},
    peerStore: { merge: async () => undefined },
  }
}

/** A peer joins: from now on it is connected, and `sent` grows with what it is given. */
export function joins(router: LoneRouter, peer: LonePeer, direction: 'inbound' | 'outbound') {
  const sent: unknown[] = []
  router.addPeer(peer.id, direction, multiaddr('/ip4/127.0.0.1/tcp/1'))
  const note = (frame: unknown) => void sent.push(frame)
  const stream = { protocol: '/meshsub/1.2.0', push: note, pushPrefixed: note, async close() {} }
  router.streamsOutbound.set(peer.id.toString(), stream)
  return sent
}

/** One frame of a peer, as it is when it is decoded. */
export function frame(rpc: Rpc & { readonly graft?: readonly string[] }): object {
  const { graft = [], subscriptions = [], messages = [] } = rpc
  const control = {
    graft: graft.map((topicID) => ({ topicID })),
    prune: [],
    ihave: [],
    iwant: [],
    idontwant: [],
  }
  return { subscriptions, messages, control }
}

/** A message as its author signs it; its number is the time of its making. */
export async function messageOf(
  { id, key }: LonePeer,
  said: { readonly topic: string; readonly data: Uint8Array; readonly atMs: number },
): Promise<RawMessage> {
  const { topic, data, atMs } = said
  const seqno = new Uint8Array(8)
  new DataView(seqno.buffer).setBigUint64(0, sequenceAt(atMs))
  const unsigned = { from: id.toMultihash().bytes, data, seqno, topic }
  return { ...unsigned, signature: await key.sign(signedBytes(unsigned)) }
}
