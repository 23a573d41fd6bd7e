/**
 * Handing a message to a peer: over our own connection, or through another peer that has one.
 *
 *   message.deliver   signed message (bytes)  →  receipt (bytes), once it lies in the inbox
 *   message.relay     signed message (bytes)  →  [true, receipt] or [false, code, text]: what the
 *                                                receiver, asked by the relay, made of it
 *
 * A receipt is the receiver's signature (64 bytes), so that no relay can make one up.
 *
 * A relay passes bytes on as they are to whom it is connected already, and dials for nobody.
 * This is delivery to a bounded inbox in memory, with a receipt; no store and forward.
 */

import {
  type Clock,
  type CodedError,
  compareBytes,
  type Logger,
  type Random,
  toHex,
  WorkQueue,
} from '../../base/index.ts'
import { type PeerId, peerIdToBytes, type Signer } from '../../identity/index.ts'
import type { Host } from '../../net/index.ts'
import type { RpcClient, RpcServer } from '../../rpc/index.ts'
import { type Cbor, WireError } from '../../wire/index.ts'
import { ToolsError } from '../tools-errors.ts'
import { isCoded } from './coded.ts'
import { Inbox, type Reader, type Received } from './inbox.ts'
import {
  checkSigned,
  decodeSigned,
  encodeSigned,
  ID_BYTES,
  isReceipt,
  MESSAGE_BYTES_MAX,
  type SignedMessage,
  signMessage,
  signReceipt,
} from './message.ts'

const DELIVER = 'message.deliver'
const RELAY = 'message.relay'
const RELAYS_TRIED_MAX = 3
const RELAYING = { name: 'message relay', concurrentMax: 32, waitingMax: 0 }

/** One way that was tried. */
export interface DeliveryAttempt {
  /** Null for our own connection. */
  readonly via: PeerId | null
  /** `ok`, or the code of what went wrong. */
  readonly code: string
}

/** What became of a message. Only `delivered` says that the receiver has it. */
export interface Receipt {
  readonly id: string
  readonly to: PeerId
  readonly outcome: 'delivered' | 'refused' | 'unreachable'
  /** The relay that carried it; null when it went directly, or did not arrive. */
  readonly via: PeerId | null
  /** Why not. */
  readonly reason?: string
  readonly attempts: readonly DeliveryAttempt[]
}

export interface SendOptions {
  /** Asked to hand it on when the receiver cannot be reached; else the closest peers are. */
  readonly via?: PeerId
  readonly signal?: AbortSignal
}

export interface MessagesDeps {
  readonly host: Pick<Host, 'self' | 'connections'>
  /** Finds and connects the receiver. */
  readonly connect: (peer: PeerId, options: { readonly signal?: AbortSignal }) => Promise<unknown>
  readonly rpc: {
    readonly server: Pick<RpcServer, 'handle'>
    readonly client: Pick<RpcClient, 'call'>
  }
  readonly signer: Pick<Signer, 'sign'>
  readonly network: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Hears of every message that came in. */
  readonly told: (message: Received) => void
}

export class Messages {
  readonly #deps: MessagesDeps
  readonly #inbox: Inbox
  readonly #relaying = new WorkQueue(RELAYING)

  constructor(deps: MessagesDeps) {
    this.#deps = deps
    this.#inbox = new Inbox(deps.clock, deps.told)
    const { server } = deps.rpc
    server.handle(DELIVER, async (payload, { peer }) => this.#take(bytesOf(payload), peer))
    server.handle(RELAY, async (payload, { peer, signal }) => {
      return this.#handOn(bytesOf(payload), { peer, signal })
    })
  }

  /** How many messages wait for a reader. */
  get waiting(): number {
    return this.#inbox.size
  }

  /** Hands over what waits and all that comes, until the result is called. */
  read(read: Reader): () => void {
    return this.#inbox.read(read)
  }

  /** Resolves with what became of the message; rejects only where it could not be sent at all. */
  async send(to: PeerId, body: string, options: SendOptions = {}): Promise<Receipt> {
    const { host, clock, random, signer, network } = this.#deps
    const draft = { from: host.self, to, id: random.bytes(ID_BYTES), sentAtMs: clock.now(), body }
    const message = await signMessage(draft, signer, network)
    const about = { id: toHex(message.id), to }
    if (to === host.self) {
      this.#inbox.take(message, host.self)
      return { ...about, outcome: 'delivered', via: null, attempts: [{ via: null, code: 'ok' }] }
    }
    const attempts: DeliveryAttempt[] = []
    const direct = await this.#direct(message, options)
    attempts.push({ via: null, code: direct?.code ?? 'ok' })
    if (direct === undefined) return { ...about, outcome: 'delivered', via: null, attempts }
    if (isRefusal(direct)) return { ...about, ...refused(direct), via: null, attempts }
    let reason = direct.message
    for (const via of this.#relaysTo(to, options.via)) {
      options.signal?.throwIfAborted()
      const failure = await this.#through(via, message, options)
      attempts.push({ via, code: failure?.code ?? 'ok' })
      if (failure === undefined) return { ...about, outcome: 'delivered', via, attempts }
      // It may say that the receiver refused; only the receiver itself ends the search with that.
      reason = `${reason}; through ${via}: ${failure.text}`
    }
    return { ...about, outcome: 'unreachable', via: null, reason: reason.slice(0, 2_048), attempts }
  }

  /** Undefined when the receiver took it. */
  async #direct(message: SignedMessage, { signal }: SendOptions) {
    const { rpc, connect, host } = this.#deps
    const { to } = message
    const waits = signal === undefined ? {} : { signal }
    try {
      if (host.connections().every(({ peer }) => peer !== to)) await connect(to, waits)
      const receipt = await rpc.client.call(to, DELIVER, encodeSigned(message), waits)
      return this.#proves(message, receipt) ? undefined : ToolsError.RECEIPT_INVALID({ by: to })
    } catch (error) {
      signal?.throwIfAborted()
      if (isCoded(error)) return error
      throw error
    }
  }

  async #through(via: PeerId, message: SignedMessage, { signal }: SendOptions) {
    const { client } = this.#deps.rpc
    const waits = signal === undefined ? {} : { signal }
    try {
      const answer = await client.call(via, RELAY, encodeSigned(message), waits)
      const [ok, code, text] = Array.isArray(answer) ? (answer as readonly Cbor[]) : []
      if (ok === true) {
        if (this.#proves(message, code)) return undefined
        throw ToolsError.RECEIPT_INVALID({ by: via })
      }
      const shown = typeof text === 'string' ? text.slice(0, 512) : 'no reason given'
      const known = typeof code === 'string' ? code.slice(0, 64) : 'MCP_INTERNAL'
      return { code: known, text: shown }
    } catch (error) {
      signal?.throwIfAborted()
      if (!isCoded(error)) throw error
      return { code: error.code, text: error.message.slice(0, 512) }
    }
  }

  #proves(message: SignedMessage, receipt: Cbor | undefined): boolean {
    return receipt instanceof Uint8Array && isReceipt(message, receipt, this.#deps.network)
  }

  /** The one that was named; else the peers we are connected to, nearest to the receiver first. */
  #relaysTo(to: PeerId, named: PeerId | undefined): readonly PeerId[] {
    if (named !== undefined) return [named]
    const { host } = this.#deps
    const peers = new Set(host.connections().map(({ peer }) => peer))
    peers.delete(to)
    const target = peerIdToBytes(to)
    const far = (peer: PeerId) => peerIdToBytes(peer).map((byte, i) => byte ^ (target[i] ?? 0))
    return [...peers]
      .map((peer) => ({ peer, distance: far(peer) }))
      .sort((a, b) => compareBytes(a.distance, b.distance))
      .slice(0, RELAYS_TRIED_MAX)
      .map(({ peer }) => peer)
  }

  async #take(bytes: Uint8Array, by: PeerId): Promise<Uint8Array> {
    const { host, network, clock, signer } = this.#deps
    const message = decodeSigned(bytes)
    if (message.to !== host.self) {
      throw ToolsError.MESSAGE_INVALID({ field: 'receiver', found: `it is for ${message.to}` })
    }
    checkSigned(message, { network, nowMs: clock.now() })
    this.#inbox.take(message, by)
    return signReceipt(message, signer, network)
  }

  async #handOn(
    bytes: Uint8Array,
    { peer, signal }: { readonly peer: PeerId; readonly signal: AbortSignal },
  ): Promise<Cbor> {
    const { host, network, clock, rpc, log } = this.#deps
    const message = decodeSigned(bytes)
    const { to, from } = message
    // A relay of relays would be a network of its own: one step, for the author itself.
    if (from !== peer) throw ToolsError.RELAY_REFUSED({ to, reason: 'its author is another peer' })
    checkSigned(message, { network, nowMs: clock.now() })
    if (to === host.self) return [true, await this.#take(bytes, peer)]
    if (host.connections().every((one) => one.peer !== to)) {
      throw ToolsError.RELAY_REFUSED({ to, reason: 'this node is not connected to it' })
    }
    return this.#relaying.run(async () => {
      try {
        const receipt = await rpc.client.call(to, DELIVER, bytes, { signal })
        log.debug('message handed on', { from, to })
        return [true, receipt]
      } catch (error) {
        if (!isCoded(error)) throw error
        return [false, error.code, error.message.slice(0, 512)]
      }
    })
  }
}

/** The receiver's own word, over our own connection, that it will not have the message. */
const REFUSALS: readonly string[] = [
  'NODE_INBOX_FULL',
  'NODE_MESSAGE_INVALID',
  'ACCESS_DENIED',
  'ACCESS_QUOTA',
  'RPC_METHOD_UNKNOWN',
]

function isRefusal(error: CodedError): boolean {
  return REFUSALS.includes(error.code)
}

function refused({ message }: CodedError) {
  return { outcome: 'refused' as const, reason: message.slice(0, 2_048) }
}

function bytesOf(payload: Cbor): Uint8Array {
  if (payload instanceof Uint8Array && payload.length <= MESSAGE_BYTES_MAX) return payload
  throw WireError.MALFORMED({ field: 'relayed message', found: typeof payload })
}
