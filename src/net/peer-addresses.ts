/**
 * Where a peer can be reached: what it said itself, proven by its connection, and what others say
 * of it.
 *
 * An address is believed no further than whoever tells it is met: a peer from across the world
 * sends nobody to our loopback or our home network.
 */

import type { Connection, Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { PeerId } from '../identity/index.ts'
import { SCOPES, type Scope, scopeOf } from '../ip/index.ts'
import type { AddressBook } from './address-book.ts'
import type { NetConfig } from './config.ts'
import { type Address, parseAny, reaches, scopeOfAddress } from './transports.ts'

export interface PeerAddressesDeps {
  readonly self: PeerId
  readonly libp2p: Pick<Libp2p, 'peerStore' | 'getConnections'>
  readonly book: AddressBook
  /** How far those reach whom we met through a relay: it may be next door, and they are not. */
  readonly scope: Scope
}

/** Ports of system services: nobody afar sends us there. */
const SYSTEM_PORT_MAX = 1_023
const RELAYED_MAX = 4_096

export class PeerAddresses {
  readonly #deps: PeerAddressesDeps
  readonly #addressesMax: number
  /** Peers that said so, the latest last. */
  readonly #relayed = new Set<PeerId>()

  constructor(deps: PeerAddressesDeps, config: Pick<NetConfig, 'addressesPerDialMax'>) {
    this.#deps = deps
    this.#addressesMax = config.addressesPerDialMax
  }

  /** Notes whether a peer says that it is reached through relays. */
  identified(peer: PeerId, addresses: readonly string[]): void {
    if (addresses.some((text) => text.includes('/p2p-circuit'))) this.#relayed.add(peer)
    else this.#relayed.delete(peer)
    const [oldest] = this.#relayed
    if (this.#relayed.size > RELAYED_MAX && oldest !== undefined) this.#relayed.delete(oldest)
  }

  /** Whether a peer said so; known without waiting. */
  isBehindRelay(peer: PeerId): boolean {
    return this.#relayed.has(peer)
  }

  /** The peer's own word first, signed before unsigned, then what others say, in turns. */
  async of(peer: PeerId): Promise<readonly string[]> {
    const { libp2p, book } = this.#deps
    const stored = await libp2p.peerStore.get(peerIdFromString(peer)).catch(() => undefined)
    const own = (stored?.addresses ?? [])
      .toSorted((a, b) => Number(b.isCertified) - Number(a.isCertified))
      .flatMap(({ multiaddr }) => parsed(multiaddr.toString()))
      .filter((address) => scopeOfAddress(address) !== 'special')
    // A third of the places is kept for others: a peer that moved cannot say so itself.
    const ownMax = Math.ceil((2 * this.#addressesMax) / 3)
    const all = new Set([...own.slice(0, ownMax).map(({ text }) => text), ...book.of(peer)])
    return [...all].slice(0, this.#addressesMax)
  }

  /**
   * Notes what `source` says of `peer`; our own word (`source` is ourselves) has no bounds of
   * scope. `metAt` is where `source` proved itself without a connection, as by datagram.
   */
  learn(peer: PeerId, addresses: readonly string[], source: PeerId, metAt?: string): void {
    const { self, book } = this.#deps
    if (peer === self) return
    const met = this.scopeOf(source) ?? (metAt === undefined ? 'global' : scopeOf(metAt))
    const scope = source === self ? 'loopback' : met
    const believed = addresses
      .flatMap(parsed)
      .filter((address) => reaches(address, scope))
      .filter(({ port = 0 }) => scope !== 'global' || port > SYSTEM_PORT_MAX)
      .filter((address) => address.peer === undefined || address.peer === peer)
    if (believed.length === 0) return
    book.learn(
      peer,
      believed.map(({ text }) => text),
      source,
    )
  }

  /** The narrowest scope that a peer is connected by: whoever is near sees what is near. */
  scopeOf(peer: PeerId): Scope | undefined {
    const scopes = this.connectionsOf(peer)
      .flatMap(({ remoteAddr }) => parsed(remoteAddr.toString()))
      .map((address) =>
        address.transport === 'relay' ? this.#deps.scope : scopeOfAddress(address),
      )
    return SCOPES.find((scope) => scopes.includes(scope))
  }

  /** Open connections to a peer. */
  connectionsOf(peer: PeerId): readonly Connection[] {
    const all = this.#deps.libp2p.getConnections(peerIdFromString(peer))
    return all.filter(({ status }) => status === 'open')
  }
}

/** Protocols that a peer said it speaks. */
export async function protocolsOf(
  { peerStore }: Pick<Libp2p, 'peerStore'>,
  peer: PeerId,
): Promise<readonly string[]> {
  return (await peerStore.get(peerIdFromString(peer)).catch(() => undefined))?.protocols ?? []
}

function parsed(text: string): readonly Address[] {
  try {
    return [parseAny(text)]
  } catch {
    return []
  }
}
