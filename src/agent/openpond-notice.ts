/**
 * What OpenPond's own nodes say of themselves, in JSON, on the topics that have the same names.
 *
 *   agent-announcements  {"message": {"peerId", "timestamp", "agentId", "agentName",
 *                         "multiaddrs", "isBootstrap"}}; nobody signed it but the gossip's author
 *   node-status          {"messageId", "fromAgentId", "content": {"encrypted": {"0": byte, …}},
 *                         "timestamp", "nonce", "signature"}: EIP-191 over the text without the
 *                         signature; the bytes are JSON of {"peerId", "metrics": {…}}
 *
 * An announcement is the word of a peer about an address; only a status has the word of the address
 * about the peer. Both are read with `agent.openpond_compat` alone; every node knows the form, so
 * that none blames a peer for handing it over.
 */

import { utf8 } from '../base/index.ts'
import {
  ETH_SIGNATURE_BYTES,
  type EthAddress,
  ethAddress,
  ethKeyOf,
  type PeerId,
} from '../identity/index.ts'
import type { TopicRules } from '../pubsub/index.ts'
import { isJsonObject, type Json, type JsonObject, parseJson } from '../wire/index.ts'
import { EnvelopeError } from './envelope-errors.ts'
import {
  NAME_CHARS_MAX,
  NOTICE_LIFE_MS,
  type StatusNumbers,
  type VerifiedNotice,
} from './notice.ts'
import { isOpenPondForm } from './openpond.ts'

/** A status of 2 KiB as OpenPond writes it: a key and a number for each byte. */
const BYTES_MAX = 32 * 1024
const DEPTH_MAX = 8
const AHEAD_MS_MAX = 60_000
/** Of one peer that hands them over, whoever wrote them. */
const PER_SECOND = 50
const NAME = /^[^\p{Cc}\p{Cf}]+$/u
const SIGNATURE = new RegExp(`^0x[0-9a-fA-F]{${2 * ETH_SIGNATURE_BYTES}}$`)

/** Text of an OpenPond node, of which nothing is believed. */
export interface HeardOpenPondNotice {
  readonly openpond: Uint8Array
}

/** What a topic of notices carries. */
export type HeardNotice = VerifiedNotice | HeardOpenPondNotice

/** What an OpenPond node says of itself. */
export interface OpenPondNotice {
  readonly address: EthAddress
  /** Whose notice it is; only that peer may say it. */
  readonly peer: string
  /** Absent where it says none that can be shown. */
  readonly name?: string
  readonly atMs: number
  readonly status?: StatusNumbers
  /** Whether the key of the address has signed it, which takes half a millisecond to find out. */
  isSigned(): boolean
}

/** The rules of a topic of notices where OpenPond's nodes may talk as well. */
export function withOpenPond(
  rules: TopicRules<VerifiedNotice>,
  { isRead }: { readonly isRead: boolean },
): TopicRules<HeardNotice> {
  const { codec, schema, isAuthor } = rules
  return {
    ...rules,
    codec: {
      encode: (value) => {
        const { openpond } = value as Partial<HeardOpenPondNotice>
        return openpond ?? codec?.encode(value) ?? new Uint8Array()
      },
      decode: (bytes) => (isOpenPondForm(bytes) ? bytes : codec?.decode(bytes)),
    },
    schema: (value) => {
      if (!(value instanceof Uint8Array)) return schema?.(value) ?? (value as VerifiedNotice)
      if (isRead) return { openpond: value }
      throw invalid("a notice in OpenPond's form, which [agent] openpond_compat does not let in")
    },
    isAuthor: (heard, author: PeerId) => {
      return !('openpond' in heard) && (isAuthor?.(heard, author) ?? true)
    },
    bare: { is: isOpenPondForm, perPeerPerSecond: PER_SECOND },
    bytesMax: BYTES_MAX,
  }
}

/** Reads a notice that is of now, and believes nothing of it. */
export function readOpenPondNotice(bytes: Uint8Array, nowMs: number): OpenPondNotice {
  const fields = objectIn(bytes, 'a notice')
  const { message } = fields
  const notice = isJsonObject(message ?? null)
    ? announcementOf(message as JsonObject)
    : statusOf(fields)
  const aheadMs = notice.atMs - nowMs
  if (aheadMs > AHEAD_MS_MAX) throw EnvelopeError.FROM_FUTURE({ aheadMs, limitMs: AHEAD_MS_MAX })
  const agoMs = -aheadMs - NOTICE_LIFE_MS
  if (agoMs >= 0) throw EnvelopeError.EXPIRED({ agoMs })
  return notice
}

/** That we are here, as OpenPond's nodes hear it: they write only to whom they have heard of. */
export function writeOpenPondNotice(said: {
  readonly address: EthAddress
  readonly peer: PeerId
  readonly name: string
  readonly atMs: number
}): HeardOpenPondNotice {
  const { address: agentId, peer: peerId, name: agentName, atMs: timestamp } = said
  // Where we are is in our own record; what they say goes by gossip, so nobody has to dial.
  const where = { multiaddrs: [], isBootstrap: false }
  const message = { peerId, timestamp, agentId, agentName, ...where }
  return { openpond: utf8(JSON.stringify({ message })) }
}

function announcementOf(fields: JsonObject): OpenPondNotice {
  const { peerId, agentId, agentName, timestamp } = fields
  const base = { address: addressOf(agentId), peer: textOf(peerId, 'peerId') }
  return { ...base, ...named(agentName), atMs: natural(timestamp), isSigned: () => false }
}

function statusOf({ signature, ...rest }: JsonObject): OpenPondNotice {
  const address = addressOf(rest.fromAgentId)
  const { peerId, metrics } = objectIn(bytesOf(rest.content), 'a status')
  if (!isJsonObject(metrics ?? null)) throw invalid('a status without metrics')
  if (typeof signature !== 'string' || !SIGNATURE.test(signature)) {
    throw invalid('a status without a signature')
  }
  return {
    address,
    peer: textOf(peerId, 'peerId'),
    atMs: natural(rest.timestamp),
    status: numbersOf(metrics as JsonObject),
    isSigned: () => {
      const bytes = Buffer.from(signature.slice(2), 'hex')
      return ethKeyOf(JSON.stringify(rest), bytes)?.address === address
    },
  }
}

function numbersOf(metrics: JsonObject): StatusNumbers {
  const { memory } = metrics
  const { rss } = isJsonObject(memory ?? null) ? (memory as JsonObject) : {}
  return {
    peers: natural(metrics.connectedPeers),
    messagesSent: natural(metrics.messagesSent),
    messagesReceived: natural(metrics.messagesReceived),
    uptimeSeconds: natural(metrics.uptime),
    memoryBytes: natural(rss),
    dhtSize: natural(metrics.dhtSize),
  }
}

function objectIn(bytes: Uint8Array, what: string): JsonObject {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    const value = parseJson(text, what, { bytesMax: BYTES_MAX, depthMax: DEPTH_MAX })
    if (isJsonObject(value)) return value
  } catch (cause) {
    throw invalid(`${what} that is no JSON`, cause)
  }
  throw invalid(`${what} that is no object`)
}

/** A list of bytes, or what `JSON.stringify` makes of a `Uint8Array`. */
function bytesOf(content: Json | undefined): Uint8Array {
  const given = isJsonObject(content) ? (content.encrypted ?? null) : null
  const inOrder = isJsonObject(given) ? Object.values(given) : []
  const bytes: readonly Json[] = Array.isArray(given) ? given : inOrder
  if (bytes.length > 0 && bytes.every(isByte)) return Uint8Array.from(bytes)
  throw invalid('a status that is no list of bytes')
}

function isByte(value: Json): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255
}

function named(name: Json | undefined): { readonly name?: string } {
  const fits = typeof name === 'string' && name.length <= NAME_CHARS_MAX && NAME.test(name)
  return fits ? { name } : {}
}

function addressOf(value: Json | undefined): EthAddress {
  try {
    return ethAddress(textOf(value, 'address'))
  } catch (cause) {
    throw invalid('an agent without an Ethereum address', cause)
  }
}

function textOf(value: Json | undefined, field: string): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= TEXT_MAX) return value
  throw invalid(`a ${field} that is no text`)
}

const TEXT_MAX = 128

/** Seconds come with fractions. */
function natural(value: Json | undefined): number {
  const whole = typeof value === 'number' ? Math.floor(value) : -1
  if (Number.isSafeInteger(whole) && whole >= 0) return whole
  throw invalid('a number that is none')
}

function invalid(found: string, cause?: unknown) {
  return EnvelopeError.OPENPOND_INVALID({ found }, cause)
}
