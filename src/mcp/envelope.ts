/**
 * The specification's `MCPMessage`: a call, or its answer, signed by who says it, for calls that a
 * third node carries. It can neither alter nor forge them, nor hand them to anybody else.
 *
 * Deterministic CBOR of at most 1 MiB, a map of seven:
 *
 *   key  field      type and limit
 *     1  id         16 bytes, random (a UUID's worth); an answer has the id of its call
 *     2  method     text, 1 to 64 characters: of an answer `p2p-foundation/answer`
 *     3  params     text, JSON: a call's `params`, or of an answer `{"result":…}` or `{"error":…}`
 *     4  from       bytes, the multihash of the peer id of who says it
 *     5  to         bytes, the same of whom it is for
 *     6  sent       milliseconds since the Unix epoch
 *     7  signature  64 bytes, Ed25519 by `from`
 *
 * Signed, each with its length in front: "p2p-foundation relayed call 1", network, id, method,
 * params, from, to, sent; of an answer "p2p-foundation relayed answer 1" and, behind the same
 * fields, the SHA-256 of the whole call that it answers.
 */

import { createHash } from 'node:crypto'
import { hasCode, utf8 } from '../base/index.ts'
import {
  type PeerId,
  peerIdFromBytes,
  peerIdToBytes,
  SIGNATURE_BYTES,
  type Signer,
  signedBytes,
  verifySignature,
} from '../identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { RelayError } from './relay-errors.ts'

export const ENVELOPE_BYTES_MAX = 1024 * 1024
/** What is left for `params` beside all other fields at their longest. */
export const PARAMS_BYTES_MAX = ENVELOPE_BYTES_MAX - 512
export const ENVELOPE_ID_BYTES = 16
/** How far the clocks of the two ends may differ, and how old a call may be. */
export const ENVELOPE_AGE_MS_MAX = 120_000
export const ANSWER_METHOD = 'p2p-foundation/answer'

const METHOD_CHARS_MAX = 64
const CALL_DOMAIN = 'p2p-foundation relayed call 1'
const ANSWER_DOMAIN = 'p2p-foundation relayed answer 1'
const FIELDS = 7

/** What one end says to the other. */
export interface EnvelopeText {
  readonly id: Uint8Array
  readonly method: string
  /** JSON. */
  readonly params: string
  readonly from: PeerId
  readonly to: PeerId
  readonly sentAtMs: number
}

export interface Envelope extends EnvelopeText {
  readonly signature: Uint8Array
}

/** With what a signature is made, or looked at. */
export interface EnvelopeScope {
  readonly network: string
  /** The bytes of the call that is answered; a call answers none. */
  readonly answers?: Uint8Array
}

/** The whole envelope as it is sent. */
export async function sealEnvelope(
  text: EnvelopeText,
  signer: Pick<Signer, 'sign'>,
  scope: EnvelopeScope,
): Promise<Uint8Array> {
  const size = utf8(text.params).length
  if (size > PARAMS_BYTES_MAX) {
    throw RelayError.RELAYED_TOO_LARGE({ what: 'call', size, limit: PARAMS_BYTES_MAX, sent: false })
  }
  const signature = await signer.sign(signedPart(text, scope))
  return encodeCbor(
    new Map<Cbor, Cbor>([
      [1, text.id],
      [2, text.method],
      [3, text.params],
      [4, peerIdToBytes(text.from)],
      [5, peerIdToBytes(text.to)],
      [6, text.sentAtMs],
      [7, Uint8Array.from(signature)],
    ]),
  )
}

/** Reads an envelope of the right form, whole or not at all; its signature is not looked at. */
export function openEnvelope(bytes: Uint8Array): Envelope {
  const map = fieldsOf(bytes)
  const [method, params, sentAtMs] = [map.get(2), map.get(3), map.get(6)]
  if (typeof method !== 'string' || method.length < 1 || method.length > METHOD_CHARS_MAX) {
    throw invalid('a method that is no short text')
  }
  if (typeof params !== 'string') throw invalid('params that are no text')
  if (typeof sentAtMs !== 'number' || sentAtMs < 0) throw invalid('a time that is no number')
  return {
    id: bytesAt(map, 1, ENVELOPE_ID_BYTES),
    method,
    params,
    from: peerAt(map, 4),
    to: peerAt(map, 5),
    sentAtMs,
    signature: bytesAt(map, 7, SIGNATURE_BYTES),
  }
}

/** Whether `from` itself said this, in this network, and of an answer: to this very call. */
export function isSealed(envelope: Envelope, scope: EnvelopeScope): boolean {
  return verifySignature(envelope.from, signedPart(envelope, scope), envelope.signature)
}

/** Reads the answer to `call`; throws unless its callee itself gave it, to its caller. */
export function openAnswer(
  bytes: Uint8Array,
  call: { readonly text: EnvelopeText; readonly bytes: Uint8Array; readonly network: string },
): Envelope {
  const { text, network } = call
  const answer = openEnvelope(bytes)
  if (answer.method !== ANSWER_METHOD) throw invalid('no answer')
  if (answer.from !== text.to) throw invalid(`an answer of ${answer.from}, who was not asked`)
  if (answer.to !== text.from) throw invalid(`an answer to ${answer.to}, who did not ask`)
  if (isSealed(answer, { network, answers: call.bytes })) return answer
  throw invalid(`a signature that ${text.to} did not make over this answer to this call`)
}

function signedPart(
  { id, method, params, from, to, sentAtMs }: EnvelopeText,
  { network, answers }: EnvelopeScope,
): Uint8Array {
  const fields = [network, id, method, params, peerIdToBytes(from), peerIdToBytes(to), sentAtMs]
  if (answers === undefined) return signedBytes(CALL_DOMAIN, fields)
  const call = createHash('sha256').update(answers).digest()
  return signedBytes(ANSWER_DOMAIN, [...fields, call])
}

function fieldsOf(bytes: Uint8Array): ReadonlyMap<Cbor, Cbor> {
  try {
    const fields = decodeCbor(bytes, 'relayed call', ENVELOPE_BYTES_MAX)
    if (fields instanceof Map && fields.size === FIELDS) return fields
  } catch (cause) {
    throw invalid('bytes that are no deterministic CBOR of at most 1 MiB', cause)
  }
  throw invalid('no map of seven')
}

function peerAt(fields: ReadonlyMap<Cbor, Cbor>, at: number): PeerId {
  const value = fields.get(at)
  if (!(value instanceof Uint8Array)) throw invalid(`a field ${at} that is not bytes`)
  try {
    return peerIdFromBytes(value)
  } catch (cause) {
    if (!hasCode(cause, 'IDENTITY_PEER_ID_INVALID')) throw cause
    throw invalid(`a field ${at} that is no peer id`, cause)
  }
}

function bytesAt(fields: ReadonlyMap<Cbor, Cbor>, at: number, size: number): Uint8Array {
  const value = fields.get(at)
  if (value instanceof Uint8Array && value.length === size) return value
  throw invalid(`a field ${at} that is not ${size} bytes`)
}

function invalid(found: string, cause?: unknown) {
  return RelayError.ENVELOPE_INVALID({ found, sent: true }, cause)
}
