/**
 * Bodies sealed for one recipient against a pre-key: HPKE (`hpke.ts`) with the header as what is
 * authenticated beside it, so that a body opens under its own header only.
 *
 *   body   ephemeral public key (32) ‖ number (32 bits, big endian) ‖ AES-256-GCM ‖ tag (16)
 *   info   "p2p-foundation agent seal 1", network, sender, pre-key id, each with its length
 *   aad    the header of the envelope
 *
 * The agreement costs thirty times what the cipher does, so one of them serves all messages of a
 * minute to the same pre-key, under numbers that count up (RFC 9180 §5.2); each end keeps what it
 * derived in memory alone, for a bounded time and number of messages. A pre-key lives for days, so
 * an ephemeral key that lives for a minute takes nothing from what its deletion protects.
 */

import { type Clock, concatBytes, type Random, TtlMap, toHex } from '../base/index.ts'
import { type PeerId, peerIdToBytes, signedBytes } from '../identity/index.ts'
import { type Draft, type Envelope, headerOf, withHeader } from './envelope-codec.ts'
import { EnvelopeError } from './envelope-errors.ts'
import {
  type HpkeContext,
  openAt,
  sealAt,
  setupReceiver,
  setupSender,
  X25519_BYTES,
  type X25519Keys,
  x25519Keys,
} from './hpke.ts'
import type { PreKey } from './pre-keys.ts'
import { BODY_BYTES_MAX } from './protocol.ts'

const DOMAIN = 'p2p-foundation agent seal 1'
const NUMBER_BYTES = 4
/** So long, and for so many messages, one agreement serves. */
const SENDING_MS = 60_000
const SENDING_MESSAGES_MAX = 4_096
const SENDINGS_MAX = 256
/** Longer than at the sender: messages take their time on the way. */
const RECEIVING_MS = 600_000
const RECEIVINGS_MAX = 1_024

export interface SealerDeps {
  readonly random: Random
  readonly clock: Clock
  readonly network: string
  readonly from: PeerId
}

/** One agreement of a sender. */
interface Sending {
  readonly enc: Uint8Array
  readonly context: HpkeContext
  next: number
}

/** What a sender seals with. */
export class Sealer {
  readonly #deps: SealerDeps
  readonly #sendings: TtlMap<string, Sending>

  constructor(deps: SealerDeps) {
    this.#deps = deps
    const limits = { entriesMax: SENDINGS_MAX, ttlMs: SENDING_MS }
    this.#sendings = new TtlMap({ ...limits, clock: deps.clock })
  }

  /** `draft` with its body sealed against `preKey`, ready to be signed. */
  seal(draft: Draft, preKey: PreKey): Draft {
    const { network, clock } = this.#deps
    const size = draft.body.length
    if (size > BODY_BYTES_MAX) {
      throw EnvelopeError.TOO_LARGE({ what: 'a body', size, limit: BODY_BYTES_MAX })
    }
    if (preKey.expiresAtMs <= clock.now()) {
      throw EnvelopeError.PRE_KEY_INVALID({ found: 'one that has expired' })
    }
    const named = { ...draft, preKey: preKey.id }
    const header = headerOf(named, network)
    const sending = this.#sendingTo(preKey)
    const number = sending.next
    sending.next += 1
    const sealed = sealAt(sending.context, number, header, draft.body)
    const body = concatBytes(sending.enc, numberBytes(number), sealed)
    return withHeader({ ...named, body }, network, header)
  }

  #sendingTo(preKey: PreKey): Sending {
    // By the key itself too: an id alone is what its owner says it is.
    const name = `${toHex(preKey.id)}${toHex(preKey.publicKey)}`
    const known = this.#sendings.get(name)
    if (known !== undefined && known.next < SENDING_MESSAGES_MAX) return known
    const { random, network, from } = this.#deps
    const ephemeral = x25519Keys(random.bytes(X25519_BYTES))
    const context = setupSender(preKey.publicKey, infoOf(network, from, preKey.id), ephemeral)
    if (context === undefined) {
      throw EnvelopeError.PRE_KEY_INVALID({ found: 'one with which everybody shares a secret' })
    }
    const sending = { enc: ephemeral.publicKey, context, next: 0 }
    this.#sendings.set(name, sending)
    return sending
  }
}

export interface OpenerDeps {
  readonly clock: Clock
  readonly network: string
  /** The private half of a pre-key of ours, as long as it is kept. */
  readonly secretOf: (preKey: Uint8Array) => X25519Keys | undefined
}

/** What a recipient opens with. */
export class Opener {
  readonly #deps: OpenerDeps
  readonly #receivings: TtlMap<string, HpkeContext>

  constructor(deps: OpenerDeps) {
    this.#deps = deps
    const limits = { entriesMax: RECEIVINGS_MAX, ttlMs: RECEIVING_MS }
    this.#receivings = new TtlMap({ ...limits, clock: deps.clock })
  }

  /** The body of a message that was believed already; one in the clear comes back as it is. */
  open(envelope: Envelope): Uint8Array {
    const { preKey, from, header, body } = envelope
    if (preKey === undefined) return body
    const keys = this.#deps.secretOf(preKey)
    if (keys === undefined) throw EnvelopeError.PRE_KEY_GONE({ preKey: toHex(preKey) })
    const enc = body.subarray(0, X25519_BYTES)
    const name = `${toHex(preKey)}${toHex(enc)}${from.peer}`
    const known = this.#receivings.get(name)
    const info = () => infoOf(this.#deps.network, from.peer, preKey)
    const context = known ?? setupReceiver(enc, info(), keys)
    const sealed = body.subarray(X25519_BYTES + NUMBER_BYTES)
    const opened = context && openAt(context, numberOf(body), header, sealed)
    if (context === undefined || opened === undefined) {
      throw EnvelopeError.BODY_CLOSED({ from: from.peer })
    }
    if (known === undefined) this.#receivings.set(name, context)
    return opened
  }
}

function infoOf(network: string, from: PeerId, preKey: Uint8Array): Uint8Array {
  return signedBytes(DOMAIN, [network, peerIdToBytes(from), preKey])
}

function numberBytes(number: number): Uint8Array {
  const bytes = new Uint8Array(NUMBER_BYTES)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

function numberOf(body: Uint8Array): number {
  return new DataView(body.buffer, body.byteOffset + X25519_BYTES, NUMBER_BYTES).getUint32(0)
}
