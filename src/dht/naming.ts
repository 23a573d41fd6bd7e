/**
 * How answers name peers: by which addresses, and with as little reading as that takes.
 *
 * Each answer names up to 20 peers, and the same ones again and again, so what was read of them is
 * kept for some seconds: the host reads it from its store each time. A datagram names peers by
 * where they take datagrams, which is known without reading. What providers say of themselves is
 * passed on to the host once in a while, for one peer announces many things.
 */

import { type Clock, hasCode, RecentMap } from '../base/index.ts'
import { type PeerId, peerIdFromBytes } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import { ADDRESSES_MAX, type PeerInfo } from './wire.ts'

/** How long addresses that were read are named without reading them again, and of how many. */
const INFO_MS = 5_000
const INFOS_MAX = 1_024
/** How long a provider's word of where it is need not be noted again. */
const ANNOUNCED_MS = 60_000
const ANNOUNCED_MAX = 1_024
/** Peer ids that carry their key, Ed25519 or secp256k1, begin so, and have so many bytes more. */
const IDENTITY_MULTIHASH = 0x00
const KEY_LENGTHS: readonly (number | undefined)[] = [0x24, 0x25]

export interface NamingDeps {
  /** Where peers are: those of ourselves are our own. */
  readonly book: Pick<Host, 'addressesOf' | 'learn'> & {
    /** Where a peer takes datagrams, known without waiting. */
    readonly datagramAddressOf?: (peer: PeerId) => string | undefined
    /** Whether a peer is reached through relays: then their addresses are named as well. */
    readonly isBehindRelay?: (peer: PeerId) => boolean
  }
  readonly clock: Pick<Clock, 'now'>
}

/** What a question came by, and its answer goes by; a receipt only says what became of a write. */
export type Over = 'stream' | 'datagram' | 'receipt'

interface Known {
  readonly info: PeerInfo
  readonly untilMs: number
}

export class Naming {
  readonly #deps: NamingDeps
  readonly #known = new RecentMap<PeerId, Known>(INFOS_MAX)
  readonly #announced = new RecentMap<PeerId, Known>(ANNOUNCED_MAX)

  constructor(deps: NamingDeps) {
    this.#deps = deps
  }

  /** Those of `peers` that we know an address of. */
  async closer(peers: readonly PeerId[], over: Over): Promise<PeerInfo[]> {
    const infos = (over !== 'stream' && this.#brief(peers)) || (await this.infos(peers))
    return infos.filter(({ addresses }) => addresses.length > 0)
  }

  /**
   * The peer that `key` names, even if it is in no table: a client, or we ourselves. A SHA-256 may
   * be an id as well (RSA), but is nearly always the place of providers, which nothing is known of.
   */
  async target(key: Uint8Array, over: Over): Promise<PeerInfo | undefined> {
    if (key[0] !== IDENTITY_MULTIHASH || !KEY_LENGTHS.includes(key[1])) return undefined
    try {
      const peer = peerIdFromBytes(key)
      const isRelayed = this.#deps.book.isBehindRelay?.(peer) === true
      const [brief] = (over !== 'stream' && !isRelayed && this.#brief([peer])) || []
      // Relays change, and nothing else leads to such a peer.
      const info = brief ?? (await (isRelayed ? this.#read(peer) : this.#info(peer)))
      return info.addresses.length > 0 ? info : undefined
    } catch (error) {
      if (hasCode(error, 'IDENTITY_PEER_ID_INVALID')) return undefined
      throw error
    }
  }

  /** All that we know of them; without waiting when it was read a moment ago, as nearly always. */
  async infos(peers: readonly PeerId[]): Promise<PeerInfo[]> {
    const recent = peers.map((peer) => this.#recent(peer)).filter((info) => info !== undefined)
    if (recent.length === peers.length) return recent
    return Promise.all(peers.map((peer) => this.#info(peer)))
  }

  /** Notes what a provider says of itself. */
  async learn({ peer, addresses }: PeerInfo): Promise<void> {
    const { book, clock } = this.#deps
    const known = this.#announced.get(peer)
    const nowMs = clock.now()
    const isSame = known?.info.addresses.join(' ') === addresses.join(' ')
    if (known !== undefined && isSame && nowMs < known.untilMs) return
    this.#announced.set(peer, { info: { peer, addresses }, untilMs: nowMs + ANNOUNCED_MS })
    await book.learn(peer, addresses, peer)
  }

  /** By where they take datagrams, if that is known of all of them. */
  #brief(peers: readonly PeerId[]): PeerInfo[] | undefined {
    const infos: PeerInfo[] = []
    for (const peer of peers) {
      const address = this.#deps.book.datagramAddressOf?.(peer)
      if (address === undefined) return undefined
      infos.push({ peer, addresses: [address] })
    }
    return infos
  }

  /** What was read of a peer a moment ago. */
  #recent(peer: PeerId): PeerInfo | undefined {
    const known = this.#known.get(peer)
    return known !== undefined && this.#deps.clock.now() < known.untilMs ? known.info : undefined
  }

  async #info(peer: PeerId): Promise<PeerInfo> {
    return this.#recent(peer) ?? this.#read(peer)
  }

  async #read(peer: PeerId): Promise<PeerInfo> {
    const { book, clock } = this.#deps
    const addresses = (await book.addressesOf(peer)).slice(0, ADDRESSES_MAX)
    const info = { peer, addresses }
    // Of whom nothing is known yet we may hear the next moment.
    if (addresses.length > 0) this.#known.set(peer, { info, untilMs: clock.now() + INFO_MS })
    return info
  }
}
