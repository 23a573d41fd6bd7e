/**
 * Receipts: the recipient's signed word that messages came, or were read. An envelope of kind
 * `receipt`; its body is deterministic CBOR of at most 1 KiB, a map of three or four:
 *
 *   1  of     16 bytes, the id of the message
 *   2  state  1 delivered · 2 read
 *   3  hash   32 bytes, SHA-256 of the whole envelope that came
 *   4  more   1 to 15 more of the same sender, a list of [id, hash]; left out where there is none
 *
 * The hash is what makes it a word on this message: an id alone could be of another.
 */

import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import type { Envelope } from './envelope-codec.ts'
import { EnvelopeError } from './envelope-errors.ts'
import {
  MESSAGE_ID_BYTES,
  RECEIPT_MESSAGES_MAX,
  RECEIPT_STATES,
  type ReceiptState,
} from './protocol.ts'

const RECEIPT_BYTES_MAX = 1_024
const HASH_BYTES = 32

/** One message, as a receipt names it. */
export interface Named {
  readonly of: Uint8Array
  readonly hash: Uint8Array
}

/** What a receipt says. */
export interface Receipt extends Named {
  readonly state: ReceiptState
  /** Of the same sender, in the same state. */
  readonly more?: readonly Named[]
}

/** The body of a receipt. */
export function receiptBody({ of, state, hash, more = [] }: Receipt): Uint8Array {
  const fields = new Map<Cbor, Cbor>([
    [1, of],
    [2, RECEIPT_STATES.indexOf(state) + 1],
    [3, hash],
  ])
  const others = more.map((named) => [named.of, named.hash])
  return encodeCbor(others.length === 0 ? fields : fields.set(4, others))
}

/** Reads the body of a receipt whose envelope was believed. */
export function readReceipt(
  envelope: Pick<Envelope, 'kind' | 'body'>,
  body: Uint8Array = envelope.body,
): Receipt {
  if (envelope.kind !== 'receipt') throw invalid(`a ${envelope.kind}`)
  const map = decode(body)
  const number = map.get(2)
  const state = typeof number === 'number' ? RECEIPT_STATES[number - 1] : undefined
  if (state === undefined) throw invalid('a state that is not known')
  const receipt = { ...named(map.get(1), map.get(3)), state }
  return map.has(4) ? { ...receipt, more: others(map.get(4)) } : receipt
}

/** All messages that a receipt is for. */
export function messagesOf({ of, hash, more = [] }: Receipt): readonly Named[] {
  return [{ of, hash }, ...more]
}

function others(value: Cbor | undefined): readonly Named[] {
  const listed = Array.isArray(value) ? (value as readonly Cbor[]) : []
  if (listed.length === 0 || listed.length >= RECEIPT_MESSAGES_MAX) {
    throw invalid(`a list that is not 1 to ${RECEIPT_MESSAGES_MAX - 1} more messages`)
  }
  return listed.map((pair) => {
    const [of, hash, ...rest] = Array.isArray(pair) ? (pair as readonly Cbor[]) : []
    if (rest.length > 0) throw invalid('more than an id and a hash')
    return named(of, hash)
  })
}

function named(of: Cbor | undefined, hash: Cbor | undefined): Named {
  if (!(of instanceof Uint8Array) || of.length !== MESSAGE_ID_BYTES) {
    throw invalid('an id that is none of a message')
  }
  if (!(hash instanceof Uint8Array) || hash.length !== HASH_BYTES) {
    throw invalid('a hash that is none of a message')
  }
  return { of, hash }
}

function decode(body: Uint8Array): ReadonlyMap<Cbor, Cbor> {
  try {
    const value = decodeCbor(body, 'receipt', RECEIPT_BYTES_MAX)
    if (value instanceof Map && value.size === (value.has(4) ? 4 : 3)) return value
  } catch (cause) {
    throw invalid('bytes that are no deterministic CBOR', cause)
  }
  throw invalid('no map of three or four')
}

function invalid(found: string, cause?: unknown) {
  return EnvelopeError.RECEIPT_INVALID({ found }, cause)
}
