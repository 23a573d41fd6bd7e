/**
 * Sees to it that others have seen the ports that we listen on: a NAT gives a port of its own to
 * each socket, so only connections that leave from those ports show where a punch would arrive.
 */

import type { Connection, Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { type Clock, type Logger, TtlMap } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Scope } from '../ip/index.ts'
import { reasonOf } from './errors.ts'
import { addressOfConnection, isRelayed } from './paths.ts'
import type { PunchKind } from './punch-targets.ts'
import type { Punching } from './punching.ts'
import { type Address, compareAddresses, parseAny, reaches, withPeer } from './transports.ts'

export interface PortSightingsDeps {
  readonly libp2p: Pick<Libp2p, 'getConnections' | 'addEventListener'>
  readonly punching: Punching
  readonly clock: Clock
  readonly log: Logger
  readonly scope: Scope
  dial(to: ReturnType<typeof multiaddr>, options: { signal: AbortSignal }): Promise<Connection>
  addressesOf(peer: PeerId): Promise<readonly string[]>
}

/** Two who see the same port mean a NAT that can be punched; two who differ, one that cannot. */
const WITNESSES_WANTED = 2
const ASKED_MAX = 128
const PAUSE_MS = 300_000
const DIAL_TIMEOUT_MS = 5_000

export class PortSightings {
  readonly #deps: PortSightingsDeps
  readonly #asked: TtlMap<string, boolean>
  /** Connections over TCP that left from the port that we listen on. */
  readonly #shared = new WeakSet<Connection>()
  /** Addresses that are being dialled so. */
  readonly #dialling = new Set<string>()
  #hubSinceMs: number | undefined
  #running: Promise<void> | undefined

  constructor(deps: PortSightingsDeps) {
    this.#deps = deps
    const { clock, libp2p } = deps
    this.#asked = new TtlMap({ entriesMax: ASKED_MAX, ttlMs: PAUSE_MS, clock })
    libp2p.addEventListener('connection:open', ({ detail }) => {
      if (this.#dialling.has(addressOfConnection(detail).text)) this.#shared.add(detail)
    })
  }

  /** Whether a connection uses a port that we listen on. */
  has(connection: Connection): boolean {
    if (connection.direction === 'inbound' || this.#shared.has(connection)) return true
    const { hub } = this.#deps.punching
    if (addressOfConnection(connection).transport !== 'quic' || hub?.active !== true) return false
    return connection.timeline.open >= (this.#hubSinceMs ?? 0)
  }

  /** Puts the hub in front of QUIC, and shows our ports to a few peers. One at a time. */
  show(signal: AbortSignal): Promise<void> {
    this.#running ??= this.#show(signal)
      .catch((error: unknown) => {
        this.#deps.log.debug('ports not shown', { why: reasonOf(error) })
      })
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }

  async #show(signal: AbortSignal): Promise<void> {
    const { hub, tcp } = this.#deps.punching
    const kinds: PunchKind[] = []
    if (hub !== undefined && (await this.#activate())) kinds.push('quic')
    if (tcp.facility.state === 'active') kinds.push('tcp')
    const families = [4, 6] as const
    const ports = kinds.flatMap((kind) => families.map((family) => ({ kind, family })))
    await Promise.all(ports.map((port) => this.#showPort(port, signal)))
  }

  async #activate(): Promise<boolean> {
    const { punching, clock, log } = this.#deps
    const { hub } = punching
    if (hub === undefined) return false
    if (hub.active) return true
    try {
      await hub.activate()
      this.#hubSinceMs = clock.now()
      log.info('QUIC dials from the port that it listens on, to get through the NAT')
      return true
    } catch (error) {
      log.debug('the hub is not active', { why: reasonOf(error) })
      return false
    }
  }

  /** A port of IPv4 says nothing of the one of IPv6, and the other way round. */
  async #showPort({ kind, family }: Port, signal: AbortSignal): Promise<void> {
    const open = this.#witnesses().filter((one) => familyOf(addressOfConnection(one)) === family)
    const seen = open.filter((one) => {
      return addressOfConnection(one).transport === kind && this.has(one)
    })
    let missing =
      WITNESSES_WANTED - new Set(seen.map(({ remotePeer }) => remotePeer.toString())).size
    for (const witness of open) {
      if (missing <= 0 || signal.aborted) return
      const peer = peerId(witness.remotePeer.toString())
      const key = `${kind} ${family} ${peer}`
      if (this.#asked.has(key) || seen.some((one) => one.remotePeer.toString() === peer)) continue
      this.#asked.set(key, true)
      const address = await this.#addressOf(witness, peer, kind)
      if (address !== undefined && (await this.#dial(address, peer, signal))) missing -= 1
    }
  }

  async #dial(address: Address, peer: PeerId, signal: AbortSignal): Promise<boolean> {
    const { punching, clock, log, dial } = this.#deps
    const to = multiaddr(withPeer(address.text, peer))
    using deadline = clock.deadline(DIAL_TIMEOUT_MS, signal)
    const options = { signal: deadline.signal }
    if (address.transport === 'tcp') this.#dialling.add(address.text)
    try {
      if (address.transport === 'tcp') await punching.tcp.punch(to, { ...options, role: 'client' })
      else await dial(to, options)
      return true
    } catch (error) {
      log.debug('port not shown', { peer, address: address.text, why: reasonOf(error) })
      return false
    } finally {
      this.#dialling.delete(address.text)
    }
  }

  /** Where a witness listens for this kind: where we are connected to it, or what it announces. */
  async #addressOf(
    witness: Connection,
    peer: PeerId,
    kind: PunchKind,
  ): Promise<Address | undefined> {
    const via = addressOfConnection(witness)
    if (witness.direction === 'outbound' && via.transport === kind) return via
    const known = (await this.#deps.addressesOf(peer)).map(parseAny).sort(compareAddresses)
    return known.find((one) => {
      // Where we are connected to it: that one works, and is no stranger's whom it would have us
      // knock at.
      const isSame = one.host?.value === via.host?.value
      return one.transport === kind && reaches(one, this.#deps.scope) && isSame
    })
  }

  #witnesses(): readonly Connection[] {
    return this.#deps.libp2p.getConnections().filter((one) => {
      if (one.status !== 'open' || isRelayed(one)) return false
      return reaches(addressOfConnection(one), this.#deps.scope)
    })
  }
}

interface Port {
  readonly kind: PunchKind
  readonly family: 4 | 6
}

function familyOf({ host }: Address): 4 | 6 | undefined {
  if (host?.kind === 'ip4') return 4
  return host?.kind === 'ip6' ? 6 : undefined
}
