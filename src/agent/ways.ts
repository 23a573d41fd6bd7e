/**
 * How a message of ours gets to one recipient: sealed against its newest pre-key, handed over on a
 * stream that is answered with a receipt, or told to all who listen.
 *
 *   agent.deliver   envelope (bytes)  →  receipt (an envelope, bytes); null for what was a receipt
 *   agent.keys      null              →  [pre-key, …], as the record of an agent lists them
 *
 * Who has no Ethereum address has no record to be found by; it is asked for its keys itself.
 */

import { type Clock, equalBytes, hasCode, RecentMap, TtlMap, toHex } from '../base/index.ts'
import { type EthAddress, ethAddress, type PeerId, peerId, type Signer } from '../identity/index.ts'
import type { CallOptions } from '../net/index.ts'
import type { Pubsub } from '../pubsub/index.ts'
import type { RpcClient } from '../rpc/index.ts'
import { type Cbor, WireError } from '../wire/index.ts'
import { isAddress } from './agent-message.ts'
import type { Mailbox, Receipt, Ways } from './attempts.ts'
import { envelopeHash, openEnvelope, writeEnvelope } from './envelope.ts'
import type { Recipient } from './envelope-codec.ts'
import { MessageError } from './message-errors.ts'
import { heardOf, MESSAGE_TOPIC, TOPIC_BYTES_MAX } from './message-topic.ts'
import type { Draft, Sealed } from './outbox-store.ts'
import { type PreKey, readPreKey } from './pre-keys.ts'
import { ENVELOPE_BYTES_MAX, PRE_KEYS_PUBLISHED_MAX } from './protocol.ts'
import { messagesOf, type Receipt as ReceiptBody, readReceipt } from './receipt.ts'
import { asSaid } from './said.ts'
import type { Sealer } from './seal.ts'

export const DELIVER = 'agent.deliver'
export const KEYS = 'agent.keys'

/** Where an agent is, and what is sealed for it with. */
export interface Found {
  readonly peer: PeerId
  readonly preKeys: readonly PreKey[]
}

/**
 * Finds agents by address; undefined where nobody has a record of it that holds. Throws where that
 * is not known, as not everybody could be asked.
 */
export interface Finder {
  find(
    address: EthAddress,
    options: { readonly signal?: AbortSignal; readonly afresh?: boolean },
  ): Promise<Found | undefined>
  /** What is known of it turned out to be wrong: it is looked for afresh the next time. */
  forget?(address: EthAddress): void
}

export interface AgentWaysDeps {
  readonly self: PeerId
  readonly network: string
  readonly clock: Clock
  readonly signer: Pick<Signer, 'sign'>
  readonly sealer: Sealer
  /** Proves that we speak for our address; undefined for a node without one. */
  readonly binding: () => Uint8Array | undefined
  readonly finder: Finder
  readonly rpc: Pick<RpcClient, 'call'>
  /** Finds and connects a peer, unless it is connected. */
  readonly connect: (peer: PeerId, options: CallOptions) => Promise<unknown>
  readonly pubsub: Pick<Pubsub, 'publish'> | null
  readonly mailbox: Mailbox | null
}

/** Keys that a peer told us itself are asked for again after this, while they serve longer. */
const KEYS_MS = 600_000
const KEYS_KEPT_MS = 172_800_000
const KEYS_PEERS_MAX = 1_024
const DIRECT_MS = 15_000
const RECEIPTS_PEERS_MAX = 256

/** A receipt that was verified. */
interface Believed {
  readonly bytes: Uint8Array
  readonly from: Receipt['from']
  readonly expiresAtMs: number
  readonly receipt: ReceiptBody
}

export class AgentWays implements Ways {
  readonly #deps: AgentWaysDeps
  /** The last receipt of each peer. */
  readonly #receiptOf = new RecentMap<PeerId, Believed>(RECEIPTS_PEERS_MAX)
  readonly #keysOf: TtlMap<PeerId, { readonly keys: readonly PreKey[]; readonly askedMs: number }>

  constructor(deps: AgentWaysDeps) {
    this.#deps = deps
    const limits = { entriesMax: KEYS_PEERS_MAX, ttlMs: KEYS_KEPT_MS }
    this.#keysOf = new TtlMap({ ...limits, clock: deps.clock })
  }

  get mailbox(): Mailbox | null {
    return this.#deps.mailbox
  }

  async seal(
    draft: Draft,
    known: Sealed | undefined,
    options: { readonly signal: AbortSignal; readonly afresh: boolean },
  ): Promise<Sealed> {
    const { clock } = this.#deps
    const isFresh = known !== undefined && known.freshUntilMs > clock.now()
    let found: Found
    try {
      found = await this.#find(draft.to, options)
    } catch (error) {
      // It may be kept for a recipient that cannot be found just now, which opens it for as long
      // as it lives: what its key is too old for is to seal others against it.
      if (known !== undefined && !options.afresh && !options.signal.aborted) return known
      throw error
    }
    const { peer, preKeys } = found
    if (isFresh && !options.afresh && known.peer === peer) return known
    const preKey = preKeys.find(({ expiresAtMs }) => expiresAtMs > clock.now())
    if (preKey === undefined) {
      if (known?.peer === peer && !options.afresh) return known
      throw MessageError.RECIPIENT_KEYLESS({ to: draft.to })
    }
    return this.#write(draft, peer, preKey)
  }

  async direct({ peer, bytes, hash }: Sealed, signal: AbortSignal): Promise<Receipt> {
    const answer = await this.deliver(peer, bytes, signal)
    if (!(answer instanceof Uint8Array) || answer.length > ENVELOPE_BYTES_MAX) {
      throw WireError.MALFORMED({ field: 'receipt', found: typeof answer })
    }
    const { from, receipt } = this.#believed(peer, answer)
    const messages = messagesOf(receipt)
    const ours = messages.find((named) => equalBytes(named.hash, hash)) ?? receipt
    return { from, of: toHex(ours.of), state: receipt.state, hash: ours.hash }
  }

  /** One receipt answers several messages: the very bytes that were believed are not looked at. */
  #believed(peer: PeerId, bytes: Uint8Array): Believed {
    const { clock, network, self } = this.#deps
    const nowMs = clock.now()
    const known = this.#receiptOf.get(peer)
    const isKnown = known !== undefined && equalBytes(known.bytes, bytes)
    if (isKnown && known.expiresAtMs > nowMs) return known
    const isFor = (to: Recipient) => 'peer' in to && to.peer === self
    const envelope = openEnvelope(bytes, { network, nowMs, isFor })
    const { from, expiresAtMs } = envelope
    const believed = { bytes, from, expiresAtMs, receipt: readReceipt(envelope) }
    this.#receiptOf.set(peer, believed)
    return believed
  }

  /** No stream led to it: it may be elsewhere by now. */
  lost(to: string): void {
    if (isAddress(to)) this.#deps.finder.forget?.(ethAddress(to))
  }

  /** Hands an envelope to a peer, over a connection that there is or one that is made. */
  deliver(peer: PeerId, envelope: Uint8Array, signal: AbortSignal): Promise<Cbor> {
    return this.#call(peer, DELIVER, { payload: envelope, signal })
  }

  async gossip({ bytes }: Pick<Sealed, 'bytes'>, signal: AbortSignal): Promise<boolean> {
    const { pubsub, network } = this.#deps
    // What is too large for a topic waits for a stream, or is kept.
    if (pubsub === null || bytes.length > TOPIC_BYTES_MAX - COUNT_BYTES) return false
    const { state } = await pubsub.publish(MESSAGE_TOPIC, heardOf(bytes, network), { signal })
    return state === 'sent'
  }

  async #find(
    to: string,
    { signal, afresh }: { readonly signal: AbortSignal; readonly afresh: boolean },
  ): Promise<Found> {
    if (!isAddress(to)) {
      const peer = peerId(to)
      return { peer, preKeys: await this.#ask(peer, { signal, afresh }) }
    }
    const { finder, clock } = this.#deps
    const known = await finder.find(to, { signal, afresh })
    // What was heard a while ago may have no key any more that its newest record has.
    const isKeyless = known?.preKeys.every(({ expiresAtMs }) => expiresAtMs <= clock.now())
    const found = isKeyless && !afresh ? await finder.find(to, { signal, afresh: true }) : known
    if (found === undefined) throw MessageError.RECIPIENT_UNKNOWN({ to })
    return found
  }

  async #ask(
    peer: PeerId,
    { signal, afresh }: { readonly signal: AbortSignal; readonly afresh: boolean },
  ): Promise<readonly PreKey[]> {
    const { clock, network } = this.#deps
    const known = afresh ? undefined : this.#keysOf.get(peer)
    if (known !== undefined && clock.now() - known.askedMs < KEYS_MS) return known.keys
    let answer: Cbor
    try {
      answer = await this.#call(peer, KEYS, { payload: null, signal })
    } catch (error) {
      if (known !== undefined) return known.keys
      if (hasCode(error, 'RPC_METHOD_UNKNOWN')) {
        throw MessageError.RECIPIENT_NONE({ to: peer }, error)
      }
      throw MessageError.RECIPIENT_AWAY({ to: peer }, error)
    }
    const rules = { peer, network, nowMs: clock.now() }
    const listed = Array.isArray(answer) ? (answer as readonly Cbor[]) : []
    const keys = listed.slice(0, PRE_KEYS_PUBLISHED_MAX).flatMap((key) => {
      try {
        return [readPreKey(key, rules)]
      } catch {
        // One that a clock puts out of its time spoils none of the others.
        return []
      }
    })
    if (keys.length > 0) this.#keysOf.set(peer, { keys, askedMs: clock.now() })
    return keys
  }

  async #call(
    peer: PeerId,
    method: string,
    { payload, signal }: { readonly payload: Cbor; readonly signal: AbortSignal },
  ): Promise<Cbor> {
    const { rpc, connect, clock } = this.#deps
    using deadline = clock.deadline(DIRECT_MS, signal)
    const waits = { signal: deadline.signal }
    await connect(peer, waits)
    return await rpc.call(peer, method, payload, waits)
  }

  async #write(draft: Draft, peer: PeerId, preKey: PreKey): Promise<Sealed> {
    const { self, binding, sealer, signer, network } = this.#deps
    const to = isAddress(draft.to) ? { address: ethAddress(draft.to) } : { peer }
    const said = asSaid(draft, { peer: self, to })
    const proof = binding()
    const bound = proof === undefined ? said : { ...said, binding: proof }
    const sealed = sealer.seal(bound, preKey)
    const bytes = await writeEnvelope(sealed, signer, { network })
    return { peer, bytes, hash: envelopeHash(bytes), freshUntilMs: preKey.expiresAtMs }
  }
}

/** Room for the count that a topic with repair puts before each message. */
const COUNT_BYTES = 64
