/**
 * Messages in the form of OpenPond's own nodes: JSON, signed by the Ethereum key under EIP-191 over
 * `JSON.stringify` of the message without its signature, in the order in which its fields came.
 *
 *   {"message": {"messageId", "fromAgentId", "toAgentId"?, "content", "timestamp",
 *                "conversationId"?, "replyTo"?, "nonce", …, "signature"}}
 *
 * `content` is text, or {"encrypted": [byte, …]} as OpenPond writes also what it did not encrypt.
 * What it did encrypt (ECIES, an object in place of the list) is refused. The form names no network
 * and never expires: whoever takes it asks the user first, and what is an hour old is refused.
 */

import { hasCode, type Random, toHex, utf8 } from '../base/index.ts'
import {
  ETH_SIGNATURE_BYTES,
  type EthAddress,
  type EthSigner,
  ethAddress,
  ethKeyOf,
  type PeerId,
} from '../identity/index.ts'
import { isJsonObject, type Json, type JsonObject, parseJson } from '../wire/index.ts'
import { EnvelopeError } from './envelope-errors.ts'
import { AHEAD_MS_MAX, BODY_BYTES_MAX, CONVERSATION_CHARS_MAX } from './protocol.ts'

/** OpenPond's own cap on what goes through gossip. */
export const OPENPOND_BYTES_MAX = 1024 * 1024
/** Its nodes take direct messages for so long; whoever receives remembers ids for as long. */
export const OPENPOND_AGE_MS_MAX = 3_600_000
const ID_CHARS_MAX = 128
const DEPTH_MAX = 8
const SIGNATURE = new RegExp(`^0x[0-9a-fA-F]{${2 * ETH_SIGNATURE_BYTES}}$`)
const PRINTABLE = /^[^\p{Cc}]+$/u

/** A message of an OpenPond node that was believed. */
export interface OpenPondMessage {
  readonly messageId: string
  readonly from: EthAddress
  /** Of a node whose identity is the key of `from`; OpenPond's own nodes have other ones. */
  readonly peer: PeerId
  /** Absent of what is for everybody. */
  readonly to?: EthAddress
  readonly body: Uint8Array
  readonly sentAtMs: number
  readonly conversation?: string
  readonly replyTo?: string
}

const BRACE = 0x7b

/** Whether these bytes may be a message in this form: no envelope of ours begins so. */
export function isOpenPondForm(bytes: Uint8Array): boolean {
  return bytes[0] === BRACE
}

/** Reads a message, and believes it for its signature; whether it came before is the caller's. */
export function readOpenPond(
  bytes: Uint8Array,
  { nowMs, own }: { readonly nowMs: number; readonly own: EthAddress | undefined },
): OpenPondMessage {
  const size = bytes.length
  if (size > OPENPOND_BYTES_MAX) {
    throw EnvelopeError.TOO_LARGE({ what: 'a message', size, limit: OPENPOND_BYTES_MAX })
  }
  const fields = fieldsOf(bytes)
  const to = fields.toAgentId === undefined ? undefined : addressOf(fields, 'toAgentId')
  const conversation = optionalText(fields, 'conversationId', CONVERSATION_CHARS_MAX)
  const replyTo = optionalText(fields, 'replyTo', ID_CHARS_MAX)
  const message = {
    messageId: textOf(fields, 'messageId', ID_CHARS_MAX),
    from: addressOf(fields, 'fromAgentId'),
    body: bodyOf(fields.content),
    sentAtMs: numberOf(fields, 'timestamp'),
    ...(to !== undefined && { to }),
    ...(conversation !== undefined && { conversation }),
    ...(replyTo !== undefined && { replyTo }),
  }
  numberOf(fields, 'nonce')
  if (to !== undefined && to !== own) {
    throw EnvelopeError.OTHER_RECIPIENT({ to, from: message.from })
  }
  checkTime(message.sentAtMs, nowMs)
  return { ...message, peer: signerIn(fields, message.from) }
}

/** The bytes to publish for OpenPond's nodes, signed by the Ethereum key. */
export function writeOpenPond(
  said: Omit<OpenPondMessage, 'messageId' | 'from' | 'peer'>,
  signer: EthSigner,
  random: Random,
): Uint8Array {
  const { to, body, sentAtMs, conversation, replyTo } = said
  // In OpenPond's own order: its receivers sign what they read, in the order they read it.
  const message = {
    messageId: `${signer.address}-${sentAtMs}-${toHex(random.bytes(6))}`,
    fromAgentId: signer.address,
    ...(to !== undefined && { toAgentId: to }),
    content: { encrypted: [...body] },
    timestamp: sentAtMs,
    nonce: sentAtMs,
    ...(conversation !== undefined && { conversationId: conversation }),
    ...(replyTo !== undefined && { replyTo }),
  }
  const signature = `0x${toHex(signer.signMessage(JSON.stringify(message)))}`
  const bytes = utf8(JSON.stringify({ message: { ...message, signature } }))
  if (bytes.length <= OPENPOND_BYTES_MAX) return bytes
  const what = "a message in OpenPond's form"
  throw EnvelopeError.TOO_LARGE({ what, size: bytes.length, limit: OPENPOND_BYTES_MAX })
}

function fieldsOf(bytes: Uint8Array): JsonObject {
  let value: Json
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    const limits = { bytesMax: OPENPOND_BYTES_MAX, depthMax: DEPTH_MAX }
    value = parseJson(text, 'OpenPond message', limits)
  } catch (cause) {
    throw invalid('text that is no JSON', cause)
  }
  if (isJsonObject(value) && Object.keys(value).length === 1) {
    const { message } = value
    if (isJsonObject(message)) return message
  }
  throw invalid('no object {"message": {…}}')
}

function checkTime(sentAtMs: number, nowMs: number): void {
  const aheadMs = sentAtMs - nowMs
  if (aheadMs > AHEAD_MS_MAX) throw EnvelopeError.FROM_FUTURE({ aheadMs, limitMs: AHEAD_MS_MAX })
  const agoMs = -aheadMs - OPENPOND_AGE_MS_MAX
  if (agoMs >= 0) throw EnvelopeError.EXPIRED({ agoMs })
}

/** Throws unless the key of `from` signed all fields, in the order in which they came. */
function signerIn({ signature, ...rest }: JsonObject, from: EthAddress): PeerId {
  if (typeof signature !== 'string' || !SIGNATURE.test(signature)) {
    throw invalid(`a signature that is not 0x and ${2 * ETH_SIGNATURE_BYTES} hex`)
  }
  const bytes = Buffer.from(signature.slice(2), 'hex')
  const key = ethKeyOf(JSON.stringify(rest), bytes)
  if (key?.address === from) return key.peer
  throw EnvelopeError.SIGNATURE_INVALID({ from })
}

function bodyOf(content: Json | undefined): Uint8Array {
  const body = typeof content === 'string' ? utf8(content) : bytesOf(content)
  if (body.length <= BODY_BYTES_MAX) return body
  throw EnvelopeError.TOO_LARGE({ what: 'a body', size: body.length, limit: BODY_BYTES_MAX })
}

function bytesOf(content: Json | undefined): Uint8Array {
  const list = isJsonObject(content ?? null) ? (content as JsonObject).encrypted : undefined
  if (isJsonObject(list ?? null))
    throw invalid('content that OpenPond encrypted (ECIES), which is not opened here')
  if (!Array.isArray(list)) throw invalid('content that is no text and no list of bytes')
  if (list.every(isByte)) return Uint8Array.from(list)
  throw invalid('content with numbers that are no bytes')
}

function isByte(value: Json): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255
}

function addressOf(fields: JsonObject, key: string): EthAddress {
  try {
    return ethAddress(textOf(fields, key, ID_CHARS_MAX))
  } catch (cause) {
    if (!hasCode(cause, 'IDENTITY_ETH_ADDRESS_INVALID')) throw cause
    throw invalid(`a ${key} that is no Ethereum address`, cause)
  }
}

function textOf(fields: JsonObject, key: string, charsMax: number): string {
  const value = fields[key]
  if (typeof value === 'string' && value.length <= charsMax && PRINTABLE.test(value)) return value
  throw invalid(`a ${key} that is not 1 to ${charsMax} characters`)
}

function optionalText(fields: JsonObject, key: string, charsMax: number): string | undefined {
  return fields[key] === undefined ? undefined : textOf(fields, key, charsMax)
}

function numberOf(fields: JsonObject, key: string): number {
  const value = fields[key]
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw invalid(`a ${key} that is no natural number`)
}

function invalid(found: string, cause?: unknown) {
  return EnvelopeError.OPENPOND_INVALID({ found }, cause)
}
