/**
 * Leaving a message with nodes that keep it until its recipient is back. Sans I/O.
 *
 * A mailbox is a place in the space of DHT keys: SHA-256 of "agent:mailbox:" and the recipient, an
 * address in lower case or a peer id. It is kept by the nodes closest to it. Payloads of the rpc
 * methods, deterministic CBOR; `to` is the recipient as text, `binding` (bytes) is there where it
 * is an address and null where it is the peer that asks:
 *
 *   mailbox.put    [envelope, work]       →  ["kept", expires ms] · ["work", bits]: more is wanted
 *   mailbox.take   [to, binding, after]   →  [[[number, envelope], …], more]    numbers > `after`
 *   mailbox.ack    [to, binding, [SHA-256 of an envelope, …]]   →  how many are gone now
 *
 *   work     nonce (`access/work.ts`) for "p2p-foundation mailbox 1" and SHA-256 of the envelope
 *   a page   at most 64 envelopes, and 1 MiB where it is more than one
 *   an ack   at most 64 hashes
 */

import { createHash } from 'node:crypto'
import { concatBytes, utf8 } from '../base/index.ts'
import {
  BINDING_BYTES_MAX,
  type EthAddress,
  ethAddress,
  isEthAddress,
  type PeerId,
  peerId,
} from '../identity/index.ts'
import type { Cbor } from '../wire/index.ts'
import type { Recipient } from './envelope-codec.ts'
import { MailError } from './mailbox-errors.ts'
import { ENVELOPE_BYTES_MAX } from './protocol.ts'

export const PUT_METHOD = 'mailbox.put'
export const TAKE_METHOD = 'mailbox.take'
export const ACK_METHOD = 'mailbox.ack'

/** So many nodes are to keep a message. */
export const HOLDERS = 8
/** A node keeps a mailbox where it knows fewer than so many that lie closer: tables differ. */
export const CLOSER_MAX = 2 * HOLDERS
export const PAGE_MAILS_MAX = 64
export const PAGE_BYTES_MAX = 1024 * 1024
export const ACKS_MAX = 64

/** Around ten milliseconds of one core while there is room; a few seconds when all is full. */
export const WORK_BITS_MIN = 12
export const WORK_BITS_FULL = 20
const HASH_BYTES = 32
const RECIPIENT_CHARS_MAX = 64
const WORK_DOMAIN = utf8('p2p-foundation mailbox 1')

/** Whose messages: an address or a peer. */
export type Addressee = EthAddress | PeerId

/** What is hashed to the place of a mailbox. */
export function mailboxKey(to: Addressee): Uint8Array {
  return utf8(`agent:mailbox:${boxOf(to)}`)
}

/** The name of a mailbox: the case of an address is only a checksum. */
export function boxOf(to: Addressee): string {
  return isEthAddress(to) ? to.toLowerCase() : to
}

/** Who is to get an envelope that can be kept; undefined for what is for everybody. */
export function addresseeOf(to: Recipient): Addressee | undefined {
  if ('address' in to) return to.address
  return 'peer' in to ? to.peer : undefined
}

/** What a mail is known by. */
export function mailHash(envelope: Uint8Array): Uint8Array {
  return createHash('sha256').update(envelope).digest()
}

/** What a sender works for, once for all who are to keep the envelope. */
export function workOn(envelope: Uint8Array): Uint8Array {
  return concatBytes(WORK_DOMAIN, mailHash(envelope))
}

/** What a mail costs at a node that is full to this part, 0 to 1: twice as much each sixteenth. */
export function priceAt(fullness: number): number {
  const over = Math.floor(Math.max(0, fullness - 0.5) * 16)
  return Math.min(WORK_BITS_FULL, WORK_BITS_MIN + over)
}

export interface PutQuestion {
  readonly envelope: Uint8Array
  readonly work: number
}

export type PutAnswer =
  | { readonly kind: 'kept'; readonly expiresMs: number }
  | { readonly kind: 'work'; readonly bits: number }

/** Who asks for whose messages. */
export interface Claim {
  readonly to: Addressee
  readonly binding: Uint8Array | null
}

export interface TakeQuestion extends Claim {
  readonly after: number
}

export interface AckQuestion extends Claim {
  readonly hashes: readonly Uint8Array[]
}

/** Messages as their keeper numbers them, in ascending order. */
export interface MailPage {
  readonly mails: readonly { readonly number: number; readonly envelope: Uint8Array }[]
  readonly more: boolean
}

export function packPut({ envelope, work }: PutQuestion): Cbor {
  return [envelope, work]
}

export function readPut(payload: Cbor): PutQuestion {
  const [envelope, work] = listOf(payload, 2)
  return { envelope: bytesIn(envelope, ENVELOPE_BYTES_MAX), work: numberIn(work) }
}

export function packPutAnswer(answer: PutAnswer): Cbor {
  return [answer.kind, answer.kind === 'kept' ? answer.expiresMs : answer.bits]
}

export function readPutAnswer(payload: Cbor): PutAnswer {
  const [kind, value] = listOf(payload, 2)
  if (kind === 'kept') return { kind, expiresMs: numberIn(value) }
  if (kind === 'work') return { kind, bits: numberIn(value) }
  throw malformed('an answer that is neither "kept" nor "work"')
}

export function packTake({ to, binding, after }: TakeQuestion): Cbor {
  return [boxOf(to), binding, after]
}

export function readTake(payload: Cbor): TakeQuestion {
  const [to, binding, after] = listOf(payload, 3)
  return { ...readClaim(to, binding), after: numberIn(after) }
}

export function packPage({ mails, more }: MailPage): Cbor {
  return [mails.map(({ number, envelope }) => [number, envelope]), more]
}

export function readPage(payload: Cbor, after: number): MailPage {
  const [list, more] = listOf(payload, 2)
  if (!Array.isArray(list) || list.length > PAGE_MAILS_MAX || typeof more !== 'boolean') {
    throw malformed('no page of messages')
  }
  let last = after
  const mails = (list as readonly Cbor[]).map((one) => {
    const [number, envelope] = listOf(one, 2)
    const mail = { number: numberIn(number), envelope: bytesIn(envelope, ENVELOPE_BYTES_MAX) }
    // Else one who answers with the same page for ever would be asked for ever.
    if (mail.number <= last) throw malformed('numbers that do not ascend')
    last = mail.number
    return mail
  })
  return { mails, more: more && mails.length > 0 }
}

export function packAck({ to, binding, hashes }: AckQuestion): Cbor {
  return [boxOf(to), binding, [...hashes]]
}

export function readAck(payload: Cbor): AckQuestion {
  const [to, binding, hashes] = listOf(payload, 3)
  if (!Array.isArray(hashes) || hashes.length < 1 || hashes.length > ACKS_MAX) {
    throw malformed(`not from 1 to ${ACKS_MAX} hashes`)
  }
  const known = (hashes as readonly Cbor[]).map((hash) => bytesIn(hash, HASH_BYTES))
  return { ...readClaim(to, binding), hashes: known }
}

function readClaim(to: Cbor | undefined, binding: Cbor | undefined): Claim {
  if (typeof to !== 'string' || to.length > RECIPIENT_CHARS_MAX) throw malformed('no recipient')
  const proof = binding === null ? null : bytesIn(binding, BINDING_BYTES_MAX)
  return { to: isEthAddress(to) ? ethAddress(to) : peerId(to), binding: proof }
}

function listOf(value: Cbor | undefined, length: number): readonly Cbor[] {
  if (!Array.isArray(value) || value.length !== length) throw malformed(`no list of ${length}`)
  return value as readonly Cbor[]
}

function numberIn(value: Cbor | undefined): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw malformed('a number that is none')
}

function bytesIn(value: Cbor | undefined, bytesMax: number): Uint8Array {
  if (value instanceof Uint8Array && value.length <= bytesMax) return value
  throw malformed(`no bytes, or more than ${bytesMax}`)
}

function malformed(found: string) {
  return MailError.MAIL_MALFORMED({ found })
}
