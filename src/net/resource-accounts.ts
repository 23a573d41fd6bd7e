/**
 * The accounts of one connection and of its streams: what they hold, in which scopes it counts,
 * and that all of it is given back at the end. Sans I/O.
 *
 * A connection counts as transient until its peer is proven, a stream until its protocol is
 * agreed on; what it holds moves along. Memory of streams that the other side opened counts in
 * their connection, that of streams which we opened to be answered only in the peer.
 */

import type { PeerId } from '../identity/index.ts'
import { give, type Resource, Scope, type Shortage, take } from './resource-scopes.ts'

export type Direction = 'inbound' | 'outbound'

/** Where accounts count besides their own scopes. */
export interface Ledger {
  readonly system: Scope
  readonly transient: Scope
  readonly connectionBytesMax: number
  peer(peer: PeerId): Scope
  protocol(id: string): Scope
  /** Why a peer gets no new stream now. */
  refusesStreams(peer: PeerId | undefined): Shortage | undefined
  refused(shortage: Shortage): void
  closed(account: ConnectionAccount): void
}

/** What a connection and a stream cost by being there; a connection is measured at 66–79 KiB. */
export const CONNECTION_BYTES = 64 * 1_024
export const STREAM_BYTES = 4 * 1_024
/** Counted in whole steps of this, so that small messages change no account. */
const STEP_BYTES = 4 * 1_024

export class ConnectionAccount {
  readonly direction: Direction
  readonly scope: Scope
  readonly #ledger: Ledger
  readonly #streams = new Set<StreamAccount>()
  #peer: PeerId | undefined
  #above: readonly Scope[]
  #isOpen = true
  #heldBytes = 0
  /** The receive windows of its streams. */
  #windowBytes = 0

  private constructor(ledger: Ledger, direction: Direction) {
    this.#ledger = ledger
    this.direction = direction
    this.#above = [ledger.transient, ledger.system]
    this.scope = new Scope('connection', '', {
      get memoryBytes() {
        return ledger.connectionBytesMax
      },
    })
  }

  static open(ledger: Ledger, direction: Direction): ConnectionAccount | Shortage {
    const account = new ConnectionAccount(ledger, direction)
    const shortage = account.#take(account.#above)
    if (shortage !== undefined) ledger.refused(shortage)
    return shortage ?? account
  }

  get peer(): PeerId | undefined {
    return this.#peer
  }

  get streams(): ReadonlySet<StreamAccount> {
    return this.#streams
  }

  /** The peer is proven: the connection counts for it from now on. */
  prove(peer: PeerId): Shortage | undefined {
    if (!this.#isOpen || this.#peer !== undefined) return undefined
    const own = this.#ledger.peer(peer)
    const shortage = this.#take([own])
    if (shortage !== undefined) {
      this.#ledger.refused(shortage)
      return shortage
    }
    // What came before the proof belongs to no stream, and has been used by now.
    this.hold(0)
    this.#give([this.#ledger.transient])
    this.#peer = peer
    this.#above = [own, this.#ledger.system]
    return undefined
  }

  /** Says that `bytes` wait here that belong to no stream yet; too many change nothing. */
  hold(bytes: number): Shortage | undefined {
    const level = stepped(bytes)
    if (!this.#isOpen || level === this.#heldBytes) return undefined
    const scopes = [this.scope, ...this.#above]
    const shortage = change(scopes, level - this.#heldBytes)
    if (shortage === undefined) this.#heldBytes = level
    else this.#ledger.refused(shortage)
    return shortage
  }

  openStream(direction: Direction): StreamAccount | Shortage {
    const ledger = this.#ledger
    if (!this.#isOpen) return { scope: 'connection', resource: 'streams', used: 0, limit: 0 }
    const refusal = direction === 'inbound' ? ledger.refusesStreams(this.#peer) : undefined
    const opened = refusal ?? StreamAccount.open(this, ledger, direction)
    if (!(opened instanceof StreamAccount)) {
      ledger.refused(opened)
      return opened
    }
    this.#streams.add(opened)
    return opened
  }

  /** The scopes in which its streams count, besides their own. */
  scopesOf(direction: Direction): readonly Scope[] {
    return direction === 'inbound' ? [this.scope, ...this.#above] : this.#above
  }

  /** Whether the receive windows of its streams may grow by so much. */
  growWindow(bytes: number): boolean {
    const { connectionBytesMax, system } = this.#ledger
    const half = (system.limits.memoryBytes ?? Number.POSITIVE_INFINITY) / 2
    if (this.#windowBytes + bytes > connectionBytesMax) return false
    if (system.used('memoryBytes') > half) return false
    this.#windowBytes += bytes
    return true
  }

  shrinkWindow(bytes: number): void {
    this.#windowBytes -= bytes
  }

  /** A stream of it is closed. */
  forget(stream: StreamAccount): void {
    this.#streams.delete(stream)
  }

  close(): void {
    if (!this.#isOpen) return
    for (const stream of [...this.#streams]) stream.close()
    this.hold(0)
    this.#isOpen = false
    this.#give(this.#above)
    this.#ledger.closed(this)
  }

  #take(scopes: readonly Scope[]): Shortage | undefined {
    const kind = kindOf('connections', this.direction)
    const shortage = take(scopes, kind, 1)
    if (shortage !== undefined) return shortage
    const missing = take(scopes, 'memoryBytes', CONNECTION_BYTES)
    if (missing !== undefined) give(scopes, kind, 1)
    return missing
  }

  #give(scopes: readonly Scope[]): void {
    give(scopes, kindOf('connections', this.direction), 1)
    give(scopes, 'memoryBytes', CONNECTION_BYTES)
  }
}

export class StreamAccount {
  readonly direction: Direction
  readonly #connection: ConnectionAccount
  readonly #ledger: Ledger
  /** Transient until a protocol is agreed on. */
  #class: Scope
  readonly #above: readonly Scope[]
  #heldBytes = 0
  #isOpen = true

  private constructor(connection: ConnectionAccount, ledger: Ledger, direction: Direction) {
    this.#connection = connection
    this.#ledger = ledger
    this.direction = direction
    this.#class = ledger.transient
    this.#above = connection.scopesOf(direction)
  }

  /** For `ConnectionAccount.openStream`. */
  static open(
    connection: ConnectionAccount,
    ledger: Ledger,
    direction: Direction,
  ): StreamAccount | Shortage {
    const account = new StreamAccount(connection, ledger, direction)
    return account.#takeSelf([account.#class, ...account.#above]) ?? account
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** The other side and we agreed on what is spoken: the stream counts there from now on. */
  agree(protocol: string): Shortage | undefined {
    if (!this.#isOpen || this.#class !== this.#ledger.transient) return undefined
    const scope = this.#ledger.protocol(protocol)
    const shortage = this.#takeSelf([scope]) ?? this.#moveHeld(scope)
    if (shortage !== undefined) {
      this.#ledger.refused(shortage)
      return shortage
    }
    this.#giveSelf([this.#class])
    this.#class = scope
    return undefined
  }

  /** Says that `bytes` wait here now; where that is too much nothing changes. */
  hold(bytes: number): Shortage | undefined {
    const level = stepped(bytes)
    if (!this.#isOpen || level === this.#heldBytes) return undefined
    const shortage = change([this.#class, ...this.#above], level - this.#heldBytes)
    if (shortage === undefined) this.#heldBytes = level
    else this.#ledger.refused(shortage)
    return shortage
  }

  close(): void {
    if (!this.#isOpen) return
    this.hold(0)
    this.#isOpen = false
    this.#giveSelf([this.#class, ...this.#above])
    this.#connection.forget(this)
  }

  #moveHeld(scope: Scope): Shortage | undefined {
    const shortage = take([scope], 'memoryBytes', this.#heldBytes)
    if (shortage === undefined) give([this.#class], 'memoryBytes', this.#heldBytes)
    else this.#giveSelf([scope])
    return shortage
  }

  /** A stream's own bytes count for the peer and the node, not in what the connection may hold. */
  #takeSelf(scopes: readonly Scope[]): Shortage | undefined {
    const kind = kindOf('streams', this.direction)
    const shortage = take(scopes, kind, 1)
    if (shortage !== undefined) return shortage
    const missing = take(scopes.filter(isNotConnection), 'memoryBytes', STREAM_BYTES)
    if (missing !== undefined) give(scopes, kind, 1)
    return missing
  }

  #giveSelf(scopes: readonly Scope[]): void {
    give(scopes, kindOf('streams', this.direction), 1)
    give(scopes.filter(isNotConnection), 'memoryBytes', STREAM_BYTES)
  }
}

function stepped(bytes: number): number {
  return bytes - (bytes % STEP_BYTES)
}

/** Takes memory, or gives it back where `bytes` is negative; too much changes nothing. */
export function change(scopes: readonly Scope[], bytes: number): Shortage | undefined {
  if (bytes > 0) return take(scopes, 'memoryBytes', bytes)
  if (bytes < 0) give(scopes, 'memoryBytes', -bytes)
  return undefined
}

function isNotConnection({ kind }: Scope): boolean {
  return kind !== 'connection'
}

function kindOf(what: 'connections' | 'streams', direction: Direction): Resource {
  return direction === 'inbound' ? `${what}In` : `${what}Out`
}
