/**
 * What an agent says of itself on a topic: that it is here, that it leaves, how it is.
 * Deterministic CBOR of at most 3 KiB, a map of five or six:
 *
 *   key  field    type and limit
 *     1  record   bytes: the value of its record in the DHT (dht/eth-record.ts), at most 2 KiB;
 *                 on node-status with no pre-keys
 *     2  name     text of at most 64 characters without controls; proves nothing
 *     3  state    1 here, 0 leaving
 *     4  time     milliseconds since the Unix epoch
 *     5  since    the same, when the agent started
 *     6  status   a list of six natural numbers: peers, messages sent, messages received,
 *                 seconds it runs, bytes of memory, peers in its DHT table
 *
 * Nobody signs it once more: a message on a topic carries the signature of its author, who must be
 * the peer that the binding in the record names. A notice is believed only with a binding that
 * holds, and for two minutes: an older one may be somebody's recording.
 */

import { type EthValue, openEthValue } from '../dht/index.ts'
import type { Binding, PeerId } from '../identity/index.ts'
import type { TopicRules } from '../pubsub/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { AgentError } from './errors.ts'

/** Where agents say that they are here. */
export const ANNOUNCEMENTS_TOPIC = 'agent-announcements'
/** Where they say how they are. */
export const STATUS_TOPIC = 'node-status'
export const NAME_CHARS_MAX = 64
/** Nobody is taken to be here for longer after the last that was heard of it. */
export const NOTICE_LIFE_MS = 120_000
const NOTICE_BYTES_MAX = 3_072
/** Clocks differ. */
const AHEAD_MS_MAX = 60_000
/** One a minute is due; a start, a few peers that come and a stop may all be within a moment. */
const PER_PEER_PER_SECOND = 2
const NAME = /^[^\p{Cc}\p{Cf}]*$/u

/** How a node is, by its own word. */
export interface StatusNumbers {
  readonly peers: number
  readonly messagesSent: number
  readonly messagesReceived: number
  readonly uptimeSeconds: number
  readonly memoryBytes: number
  readonly dhtSize: number
}

/** What is said, and is not verified yet. */
export interface Notice {
  /** The value of the agent's record, as in the DHT. */
  readonly record: Uint8Array
  readonly name: string
  readonly isHere: boolean
  readonly atMs: number
  readonly sinceMs: number
  readonly status?: StatusNumbers
}

/** A notice whose binding holds, and what stands in its record. */
export interface VerifiedNotice extends Omit<Notice, 'record'> {
  readonly record: Omit<EthValue, 'binding'> & { readonly binding: Binding }
}

export function encodeNotice(notice: Notice): Uint8Array {
  const { record, name, isHere, atMs, sinceMs, status } = notice
  const fields = new Map<Cbor, Cbor>([
    [1, record],
    [2, name],
    [3, isHere ? 1 : 0],
    [4, atMs],
    [5, sinceMs],
  ])
  if (status !== undefined)
    fields.set(
      6,
      NUMBERS.map((number) => status[number]),
    )
  return encodeCbor(fields)
}

/** Reads a notice of the right form, whole or not at all. */
export function decodeNotice(bytes: Uint8Array): Notice {
  const value = decodeCbor(bytes, 'notice', NOTICE_BYTES_MAX)
  if (!(value instanceof Map)) throw invalid('form', 'no map')
  const fields: ReadonlyMap<Cbor, Cbor> = value
  const [record, name, state] = [fields.get(1), fields.get(2), fields.get(3)]
  const numbers = fields.get(6)
  if (fields.size !== (numbers === undefined ? 5 : 6)) throw invalid('form', 'of other fields')
  if (!(record instanceof Uint8Array)) throw invalid('record', 'not bytes')
  if (typeof name !== 'string' || !isName(name)) throw invalid('name', 'no name of 64 characters')
  if (state !== 0 && state !== 1) throw invalid('state', 'neither 0 nor 1')
  const [atMs, sinceMs] = [natural(fields.get(4), 'time'), natural(fields.get(5), 'start')]
  const said = { record, name, isHere: state === 1, atMs, sinceMs }
  return numbers === undefined ? said : { ...said, status: statusFrom(numbers) }
}

/**
 * How a topic of notices is read: size and form, time, both signatures of the binding, and that
 * the author is the peer that is bound, in this order, before anybody hears of it.
 */
export function noticeRules(rules: {
  readonly network: string
  readonly now: () => number
}): TopicRules<VerifiedNotice> {
  return {
    codec: { encode: (value) => encodeNotice(value as Notice), decode: decodeNotice },
    schema: (value) => verify(value as Notice, { network: rules.network, nowMs: rules.now() }),
    isAuthor: ({ record }, author: PeerId) => record.binding.peer === author,
    bytesMax: NOTICE_BYTES_MAX,
    perPeerPerSecond: PER_PEER_PER_SECOND,
  }
}

/** Whether a text may be the name of an agent. */
function isName(text: string): boolean {
  return text.length <= NAME_CHARS_MAX && NAME.test(text)
}

function verify(notice: Notice, at: { network: string; nowMs: number }): VerifiedNotice {
  const { atMs, sinceMs } = notice
  if (atMs > at.nowMs + AHEAD_MS_MAX) throw invalid('time', 'in the future')
  if (atMs <= at.nowMs - NOTICE_LIFE_MS) throw invalid('time', 'over')
  if (sinceMs > atMs) throw invalid('start', 'after its time')
  return { ...notice, record: openEthValue(notice.record, at) }
}

/** In the order in which they are said. */
const NUMBERS = [
  'peers',
  'messagesSent',
  'messagesReceived',
  'uptimeSeconds',
  'memoryBytes',
  'dhtSize',
] as const

function statusFrom(numbers: Cbor): StatusNumbers {
  if (!Array.isArray(numbers) || numbers.length !== NUMBERS.length) {
    throw invalid('status', `no list of ${NUMBERS.length}`)
  }
  const at = (name: (typeof NUMBERS)[number]) => {
    return natural((numbers as readonly Cbor[])[NUMBERS.indexOf(name)], name)
  }
  return {
    peers: at('peers'),
    messagesSent: at('messagesSent'),
    messagesReceived: at('messagesReceived'),
    uptimeSeconds: at('uptimeSeconds'),
    memoryBytes: at('memoryBytes'),
    dhtSize: at('dhtSize'),
  }
}

function natural(value: Cbor | undefined, field: string): number {
  if (typeof value !== 'number' || value < 0) throw invalid(field, 'no natural number')
  return value
}

function invalid(field: string, found: string) {
  return AgentError.NOTICE_INVALID({ field, found })
}
