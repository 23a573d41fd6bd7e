/**
 * Whether the owner of this node wants to hear of a sender at all: asked once its signature holds,
 * whoever brought the message, and before anything is opened or kept.
 *
 * A peer that is blocked here is refused on every way: over its own streams the policy does that,
 * but others may bring what it wrote, and mailboxes keep it. Who spoke for an address is held
 * to what the registry says of that address when it leaves its binding out the next time, and who
 * shows a binding that the address has replaced by one to another peer is refused. A new
 * peer costs nothing and has no past: what holds against that is `agent.require_registered`.
 */

import { type Clock, TtlMap } from '../base/index.ts'
import { type Binding, type EthAddress, type PeerId, readBinding } from '../identity/index.ts'
import { MessageError } from './message-errors.ts'

/** Whether an address may speak to us: the registry of agents, where there is one. */
export interface Gate {
  admits(sender: EthAddress, options: { readonly signal?: AbortSignal }): Promise<Verdict>
  /** The same without waiting: undefined where somebody has to be asked. */
  verdict?(sender: EthAddress): Verdict | undefined
  /** Whether it is known to have an entry; nobody is asked. */
  isRegistered?(sender: EthAddress): boolean
}

interface Verdict {
  readonly allowed: boolean
  readonly reason?: string
}

export interface SenderCheckDeps {
  readonly clock: Clock
  readonly gate: Gate | null
  /** Whether a sender without an address is refused. */
  readonly requireRegistered: boolean
  /** Whether a peer may do nothing here. */
  readonly isBlocked: (peer: PeerId) => boolean
  /** The newest binding that is known of an address. */
  readonly newest?: (address: EthAddress) => Pick<Binding, 'peer' | 'version'> | undefined
}

/** So long the registry may take, before the sender is told to come again. */
const GATE_MS = 5_000
/** As long as the registry itself is remembered. */
const SPOKEN_MS = 7 * 24 * 3_600_000
const SPOKEN_MAX = 10_000
/** So much waits for the registry's word: of one sender, and of all. Others need not wait. */
const WAITING_OF_ONE_MAX = 64
const WAITING_MAX = 2_048
const WAITING_BYTES_MAX = 32 * 1024 * 1024

interface Sender {
  readonly peer: PeerId
  /** Proven by its binding. */
  readonly address?: EthAddress | undefined
}

export class SenderCheck {
  readonly #deps: SenderCheckDeps
  /** The address that a peer proved last. */
  readonly #spokenFor: TtlMap<PeerId, EthAddress>
  readonly #waitingOf = new Map<PeerId, number>()
  #waiting = 0
  #waitingBytes = 0

  constructor(deps: SenderCheckDeps) {
    this.#deps = deps
    const limits = { entriesMax: SPOKEN_MAX, ttlMs: SPOKEN_MS }
    this.#spokenFor = new TtlMap({ ...limits, clock: deps.clock })
  }

  /** Throws `AGENT_SENDER_REFUSED` for a peer that is blocked here. */
  checkPeer(peer: PeerId): void {
    if (!this.#deps.isBlocked(peer)) return
    throw MessageError.SENDER_REFUSED({ from: peer, reason: 'a peer that is blocked here' })
  }

  /** Throws `AGENT_SENDER_REFUSED` for a peer that the address it shows has left for another. */
  checkBound({ peer, address }: Sender, binding: Uint8Array | undefined): void {
    if (address === undefined || binding === undefined) return
    const newest = this.#deps.newest?.(address)
    if (newest === undefined || newest.peer === peer) return
    if (readBinding(binding).version >= newest.version) return
    const reason = `a peer that ${address} has left: it speaks through another since`
    throw MessageError.SENDER_REFUSED({ from: peer, reason })
  }

  /** Messages that wait for what the registry says of their senders. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * Undefined where the sender may write to us and that is known, so that nothing waits. Else
   * rejects with why it may not, or not now, and resolves when it may.
   */
  admit({ peer, address }: Sender, bytes = 0): Promise<void> | undefined {
    const { gate, requireRegistered } = this.#deps
    if (address === undefined && requireRegistered) {
      const reason = 'without an Ethereum address'
      return Promise.reject(MessageError.SENDER_REFUSED({ from: peer, reason }))
    }
    if (gate === null) return undefined
    if (address !== undefined) this.#spokenFor.set(peer, address)
    const spoken = this.#addressOf({ peer, address })
    if (spoken === undefined) return undefined
    const known = gate.verdict?.(spoken)
    if (known === undefined) return this.#wait(gate, spoken, { peer, bytes })
    return known.allowed ? undefined : Promise.reject(refusalOf(spoken, known))
  }

  /** Whether the registry is known to have an entry of the sender. */
  isRegistered(sender: Sender): boolean {
    const spoken = this.#addressOf(sender)
    return spoken !== undefined && this.#deps.gate?.isRegistered?.(spoken) === true
  }

  /** Proven now, or the last time. */
  #addressOf({ peer, address }: Sender): EthAddress | undefined {
    return address ?? this.#spokenFor.get(peer)
  }

  async #wait(
    gate: Gate,
    spoken: EthAddress,
    { peer, bytes }: { readonly peer: PeerId; readonly bytes: number },
  ): Promise<void> {
    const ofPeer = this.#waitingOf.get(peer) ?? 0
    const isMuch = this.#waiting >= WAITING_MAX || ofPeer >= WAITING_OF_ONE_MAX
    if (isMuch || this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      throw MessageError.SENDER_UNCHECKED({ from: spoken })
    }
    this.#count(peer, { messages: 1, bytes })
    using deadline = this.#deps.clock.deadline(GATE_MS)
    try {
      const verdict = await gate.admits(spoken, { signal: deadline.signal })
      if (!verdict.allowed) throw refusalOf(spoken, verdict)
    } finally {
      this.#count(peer, { messages: -1, bytes: -bytes })
    }
  }

  #count(peer: PeerId, by: { readonly messages: number; readonly bytes: number }): void {
    this.#waiting += by.messages
    this.#waitingBytes += by.bytes
    const left = (this.#waitingOf.get(peer) ?? 0) + by.messages
    if (left > 0) this.#waitingOf.set(peer, left)
    else this.#waitingOf.delete(peer)
  }
}

function refusalOf(from: EthAddress, { reason }: Verdict): Error {
  if (reason === 'unavailable') return MessageError.SENDER_UNCHECKED({ from })
  return MessageError.SENDER_REFUSED({ from, reason: reason ?? 'not allowed' })
}
