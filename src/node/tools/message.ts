/**
 * A relayed message: signed by who sends it, so that a relay can neither alter nor forge it.
 *
 * Deterministic CBOR of at most 66 KiB, a map of six:
 *
 *   key  field      type and limit
 *     1  from       bytes, the multihash of the peer id of the author
 *     2  to         bytes, the same of whom it is for
 *     3  id         16 bytes, random; a receiver takes each once
 *     4  sent       milliseconds since the Unix epoch; within ten minutes of the receiver's clock
 *     5  body       text, 1 byte to 64 KiB in UTF-8
 *     6  signature  64 bytes, Ed25519 by the author
 *
 * Signed, each with its length in front: "p2p-foundation relayed message 1", network, from, to, id,
 * sent, body. The receipt is the receiver's signature over "p2p-foundation message receipt 1",
 * network and the signature of the message.
 */

import { hasCode, utf8 } from '../../base/index.ts'
import {
  type PeerId,
  peerIdFromBytes,
  peerIdToBytes,
  type Signer,
  signedBytes,
  verifySignature,
} from '../../identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../../wire/index.ts'
import { ToolsError } from '../tools-errors.ts'

export const BODY_BYTES_MAX = 64 * 1024
export const MESSAGE_BYTES_MAX = 66 * 1024
export const ID_BYTES = 16
/** How far the clocks of author and receiver may differ, and how old a message may be. */
export const AGE_MS_MAX = 600_000
const DOMAIN = 'p2p-foundation relayed message 1'
const RECEIPT_DOMAIN = 'p2p-foundation message receipt 1'
const FIELDS = 6

/** What an author says to one peer. */
export interface MessageText {
  readonly from: PeerId
  readonly to: PeerId
  readonly id: Uint8Array
  readonly sentAtMs: number
  readonly body: string
}

export interface SignedMessage extends MessageText {
  readonly signature: Uint8Array
}

export async function signMessage(
  message: MessageText,
  signer: Pick<Signer, 'sign'>,
  network: string,
): Promise<SignedMessage> {
  const size = utf8(message.body).length
  if (size < 1 || size > BODY_BYTES_MAX) throw invalid('body', `${size} bytes`)
  const signature = await signer.sign(signedPart(message, network))
  return { ...message, signature: Uint8Array.from(signature) }
}

export function encodeSigned(message: SignedMessage): Uint8Array {
  return encodeCbor(
    new Map<Cbor, Cbor>([
      [1, peerIdToBytes(message.from)],
      [2, peerIdToBytes(message.to)],
      [3, message.id],
      [4, message.sentAtMs],
      [5, message.body],
      [6, message.signature],
    ]),
  )
}

/** Reads a message of the right form, whole or not at all; its signature is not looked at. */
export function decodeSigned(bytes: Uint8Array): SignedMessage {
  const fields = decodeCbor(bytes, 'relayed message', MESSAGE_BYTES_MAX)
  if (!(fields instanceof Map) || fields.size !== FIELDS) throw invalid('form', 'no map of six')
  const map = fields as ReadonlyMap<Cbor, Cbor>
  const sentAtMs = map.get(4)
  if (typeof sentAtMs !== 'number' || !Number.isSafeInteger(sentAtMs) || sentAtMs < 0) {
    throw invalid('time', 'no natural number')
  }
  const body = map.get(5)
  if (typeof body !== 'string') throw invalid('body', 'no text')
  const size = utf8(body).length
  if (size < 1 || size > BODY_BYTES_MAX) throw invalid('body', `${size} bytes`)
  return {
    from: peerAt(map, 1, 'author'),
    to: peerAt(map, 2, 'receiver'),
    id: bytesAt(map, 3, { field: 'id', size: ID_BYTES }),
    sentAtMs,
    body,
    signature: bytesAt(map, 6, { field: 'signature', size: 64 }),
  }
}

/** Throws unless the author itself said this, in this network, a short while ago. */
export function checkSigned(
  message: SignedMessage,
  { network, nowMs }: { readonly network: string; readonly nowMs: number },
): void {
  const { from, sentAtMs, signature } = message
  if (Math.abs(nowMs - sentAtMs) > AGE_MS_MAX) {
    throw invalid('time', `${Math.round((nowMs - sentAtMs) / 1_000)} s from our clock`)
  }
  if (!verifySignature(from, signedPart(message, network), signature)) {
    throw invalid('signature', `not one of ${from}`)
  }
}

/** The receiver's word that it has the message. */
export async function signReceipt(
  { signature }: SignedMessage,
  signer: Pick<Signer, 'sign'>,
  network: string,
): Promise<Uint8Array> {
  const said = signedBytes(RECEIPT_DOMAIN, [network, signature])
  return Uint8Array.from(await signer.sign(said))
}

/** Whether the receiver of the message signed this receipt. */
export function isReceipt(
  { to, signature }: SignedMessage,
  receipt: Uint8Array,
  network: string,
): boolean {
  return verifySignature(to, signedBytes(RECEIPT_DOMAIN, [network, signature]), receipt)
}

function signedPart({ from, to, id, sentAtMs, body }: MessageText, network: string): Uint8Array {
  const peers = [peerIdToBytes(from), peerIdToBytes(to)]
  return signedBytes(DOMAIN, [network, ...peers, id, sentAtMs, body])
}

function peerAt(fields: ReadonlyMap<Cbor, Cbor>, at: number, field: string): PeerId {
  const value = fields.get(at)
  if (!(value instanceof Uint8Array)) throw invalid(field, 'not bytes')
  try {
    return peerIdFromBytes(value)
  } catch (cause) {
    if (!hasCode(cause, 'IDENTITY_PEER_ID_INVALID')) throw cause
    throw invalid(field, 'no peer id', cause)
  }
}

function bytesAt(
  fields: ReadonlyMap<Cbor, Cbor>,
  at: number,
  { field, size }: { readonly field: string; readonly size: number },
): Uint8Array {
  const value = fields.get(at)
  if (!(value instanceof Uint8Array)) throw invalid(field, 'not bytes')
  if (value.length !== size) throw invalid(field, `${value.length} bytes`)
  return value
}

function invalid(field: string, found: string, cause?: unknown) {
  return ToolsError.MESSAGE_INVALID({ field, found }, cause)
}
