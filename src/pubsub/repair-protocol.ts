/**
 * How messages of topics with repair are counted, asked for and given. All of it is deterministic
 * CBOR; numbers are whole and below 2⁵³.
 *
 *   data of a message   [run, count, bytes]     run: when the author began, in ms; count from 1
 *   question            [topic, author, run, [count, …]]                     at most 64 counts
 *   answer              [[from, data, seqno, signature, key | null], …]   of the topic asked for
 *   question for heads  [topic, span]                           what was taken in the last span ms
 *   answer              [[author, run, first, last], …]                       at most 1,000 authors
 *
 * Questions are payloads of the rpc method `pubsub.repair`; `topic` is its name on the wire.
 * What is given is what the author signed, byte for byte. Heads are the word of who is asked.
 */

import { type PeerId, peerId } from '../identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor, WireError } from '../wire/index.ts'
import { MESSAGE_BYTES_MAX } from './config.ts'
import type { RawMessage } from './stock.ts'

/** The rpc method by which peers ask for messages that they miss. */
export const REPAIR_METHOD = 'pubsub.repair'
/** At most so many bytes around those of a message. */
export const COUNTED_BYTES_MAX = 32
export const COUNTS_MAX = 64
/** Bytes of messages in one answer; a single one is given whatever its size. */
export const ANSWER_BYTES_MAX = 512 * 1_024
const FIELD = 'repair'
/** Longest of the parts of a message that are not its data. */
const PART_BYTES_MAX = 1_024
const TOPIC_CHARS_MAX = 256
/** As many as messages that are kept of a topic. */
export const HEADS_MAX = 1_000

/** A message's place among those of its author in its topic. */
export interface Place {
  readonly run: number
  readonly count: number
}

export interface Counted extends Place {
  readonly bytes: Uint8Array
}

/** What was taken of one author lately: counts from the first to the last, perhaps not all. */
export interface Head {
  readonly author: PeerId
  readonly run: number
  readonly first: number
  readonly last: number
}

export interface HeadsQuestion {
  readonly wire: string
  readonly spanMs: number
}

export interface Question {
  readonly wire: string
  readonly author: PeerId
  readonly run: number
  readonly counts: readonly number[]
}

export function encodeCounted({ run, count, bytes }: Counted): Uint8Array {
  return encodeCbor([run, count, bytes])
}

/** What is not counted is no message of a topic with repair. */
export function decodeCounted(data: Uint8Array): Counted {
  const whole = decodeCbor(data, FIELD, MESSAGE_BYTES_MAX)
  const [run, count, bytes] = listOf(whole, 3)
  if (!(bytes instanceof Uint8Array)) throw malformed('a message without its bytes')
  return { run: numberIn(run, 0), count: numberIn(count, 1), bytes }
}

export function questionToCbor({ wire, author, run, counts }: Question): Cbor {
  return [wire, author, run, [...counts]]
}

export function questionFromCbor(payload: Cbor): Question {
  const [wire, author, run, counts] = listOf(payload, 4)
  if (typeof wire !== 'string' || wire.length > TOPIC_CHARS_MAX) throw malformed('no topic')
  if (typeof author !== 'string') throw malformed('no author')
  if (!Array.isArray(counts) || counts.length < 1 || counts.length > COUNTS_MAX) {
    throw malformed(`not from 1 to ${COUNTS_MAX} counts`)
  }
  const wanted = (counts as readonly Cbor[]).map((count) => numberIn(count, 1))
  return { wire, author: peerId(author), run: numberIn(run, 0), counts: wanted }
}

export function headsQuestionToCbor({ wire, spanMs }: HeadsQuestion): Cbor {
  return [wire, spanMs]
}

/** The question for heads, where it is that one. */
export function headsQuestionFromCbor(payload: Cbor): HeadsQuestion | undefined {
  if (!Array.isArray(payload) || payload.length !== 2) return undefined
  const [wire, spanMs] = payload as readonly Cbor[]
  if (typeof wire !== 'string' || wire.length > TOPIC_CHARS_MAX) throw malformed('no topic')
  return { wire, spanMs: numberIn(spanMs, 0) }
}

export function headsToCbor(heads: readonly Head[]): Cbor {
  return heads.slice(-HEADS_MAX).map(({ author, run, first, last }) => [author, run, first, last])
}

export function headsFromCbor(payload: Cbor): readonly Head[] {
  if (!Array.isArray(payload) || payload.length > HEADS_MAX) throw malformed('no list of heads')
  return (payload as readonly Cbor[]).map((one) => {
    const [author, run, first, last] = listOf(one, 4)
    if (typeof author !== 'string') throw malformed('no author')
    const from = numberIn(first, 1)
    return {
      author: peerId(author),
      run: numberIn(run, 0),
      first: from,
      last: numberIn(last, from),
    }
  })
}

export function answerToCbor(messages: readonly RawMessage[]): Cbor {
  return messages.map(({ from, data, seqno, signature, key }) => {
    return [from, data, seqno, signature, key].map((part) => part ?? null)
  })
}

/** Messages of `topic` as they stand in an answer; whose they are, their signatures say. */
export function answerFromCbor(payload: Cbor, topic: string): RawMessage[] {
  if (!Array.isArray(payload) || payload.length > COUNTS_MAX) throw malformed('no list of messages')
  return (payload as readonly Cbor[]).map((one) => {
    const [from, data, seqno, signature, key] = listOf(one, 5)
    const message = {
      from: partIn(from, PART_BYTES_MAX),
      data: partIn(data, MESSAGE_BYTES_MAX),
      seqno: partIn(seqno, PART_BYTES_MAX),
      signature: partIn(signature, PART_BYTES_MAX),
      topic,
    }
    return key === null ? message : { ...message, key: partIn(key, PART_BYTES_MAX) }
  })
}

function listOf(value: Cbor, length: number): readonly Cbor[] {
  if (!Array.isArray(value) || value.length !== length) throw malformed(`no list of ${length}`)
  return value as readonly Cbor[]
}

function numberIn(value: Cbor | undefined, min: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min) return value
  throw malformed('a number that is none')
}

function partIn(value: Cbor | undefined, bytesMax: number): Uint8Array {
  if (value instanceof Uint8Array && value.length <= bytesMax) return value
  throw malformed('a part of a message that is missing or too long')
}

function malformed(found: string) {
  return WireError.MALFORMED({ field: FIELD, found })
}
