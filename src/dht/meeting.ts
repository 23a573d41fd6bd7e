/**
 * How peers come to be known: they introduce themselves over a connection, they ask us by datagram,
 * or we are told where one takes datagrams and ask it ourselves, which needs no connection.
 */

import { type PeerId, peerId, peerIdToBytes } from '../identity/index.ts'
import type { CallOptions } from '../net/index.ts'
import { DhtError } from './errors.ts'
import type { Members } from './members.ts'
import { datagramEndpoint } from './multiaddrs.ts'
import type { Questions } from './questions.ts'
import type { Upkeep } from './upkeep.ts'

const WITH_PEER = /^(\/.+)\/p2p\/([^/]+)$/

export interface MeetingDeps {
  readonly self: PeerId
  /** The protocol of our DHT: who speaks it serves others. */
  readonly protocol: string
  readonly questions: Pick<Questions, 'findFace' | 'learn' | 'ask'>
  readonly members: Pick<Members, 'identified'>
  readonly upkeep: Pick<Upkeep, 'met'>
}

export class Meeting {
  readonly #deps: MeetingDeps
  #stopped = false

  constructor(deps: MeetingDeps) {
    this.#deps = deps
  }

  /** A peer said what it speaks. Others are told of it only when we can say where to ask it. */
  async identified(peer: PeerId, protocols: readonly string[]): Promise<void> {
    const { protocol, questions } = this.#deps
    const serves = protocols.includes(protocol)
    if (serves) await questions.findFace(peer)
    if (!this.#stopped) this.spoke(peer, serves)
  }

  /** A peer spoke to us, and said whether it serves others. */
  spoke(peer: PeerId, serves: boolean): void {
    const { members, upkeep } = this.#deps
    if (members.identified(peer, serves)) upkeep.met(peer)
  }

  /** Asks who is said to take datagrams at `address`; once it has answered it is known. */
  async join(address: string, options: CallOptions): Promise<void> {
    const { self, questions } = this.#deps
    const { peer, at } = firstPeer(address)
    await questions.learn(peer, [at], self)
    await questions.ask(peer, [{ type: 'findNode', key: peerIdToBytes(self) }], options)
    if (!this.#stopped) this.spoke(peer, true)
  }

  stop(): void {
    this.#stopped = true
  }
}

function firstPeer(address: string): { peer: PeerId; at: string } {
  const [, at = '', text = ''] = WITH_PEER.exec(address) ?? []
  if (datagramEndpoint(at) === undefined) throw DhtError.FIRST_PEER_INVALID({ address })
  try {
    return { peer: peerId(text), at }
  } catch (cause) {
    throw DhtError.FIRST_PEER_INVALID({ address }, cause)
  }
}
