/**
 * The bytes of an envelope: one signed message of one agent. Deterministic CBOR of at most 526,388
 * bytes, a map of these, none other, read whole or not at all:
 *
 *   key  field         type and limit
 *     1  version       1
 *     2  network       text, 1 to 64 characters
 *     3  from          bytes, the multihash of the sender's peer id
 *     4  binding       bytes, at most 512; where the sender speaks for an Ethereum address
 *     5  to            [1, address (20 bytes)] · [2, peer id (multihash)] · [3, topic (text)]
 *     6  id            16 bytes, random
 *     7  sent at       milliseconds since the Unix epoch
 *     8  expires at    the same; later than 7, by at most 7 days
 *     9  kind          1 message · 2 receipt
 *    10  conversation  text, 1 to 64 characters; optional
 *    11  reply to      16 bytes, the id of another message; optional
 *    12  sequence      below 2⁵³; optional
 *    13  content type  text, 1 to 128 characters of ASCII; optional
 *    14  pre-key       8 bytes, the id of the key that 15 is sealed against; absent in the clear
 *    15  body          bytes, at most 512 KiB, and 52 more when sealed
 *    16  signature     64 bytes, Ed25519 by 3
 *
 * The header is the map of 1 to 14 as it stands, encoded on its own. Signed, each with its length
 * in front: "p2p-foundation agent 1", header, SHA-256 of the body. How a body is sealed: `seal.ts`.
 */

import { hasCode, RecentMap } from '../base/index.ts'
import {
  BINDING_BYTES_MAX,
  ETH_ADDRESS_BYTES,
  type EthAddress,
  ethAddressFromBytes,
  ethAddressToBytes,
  type PeerId,
  peerIdFromBytes,
  peerIdToBytes,
  SIGNATURE_BYTES,
} from '../identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { EnvelopeError } from './envelope-errors.ts'
import { BODY_KEY, headerIn, SIGNATURE_KEY } from './envelope-parts.ts'
import {
  BODY_BYTES_MAX,
  CONTENT_TYPE_CHARS_MAX,
  CONVERSATION_CHARS_MAX,
  ENVELOPE_BYTES_MAX,
  KINDS,
  type Kind,
  LIFE_MS_MAX,
  MESSAGE_ID_BYTES,
  NETWORK_CHARS_MAX,
  PRE_KEY_ID_BYTES,
  SEAL_BYTES,
  TOPIC_CHARS_MAX,
} from './protocol.ts'

/** For whom a message is: one address, one node, or whoever listens to a topic. */
export type Recipient =
  | { readonly address: EthAddress }
  | { readonly peer: PeerId }
  | { readonly topic: string }

/** What a sender says; writing it adds the network and the signature. */
export interface Draft {
  /** The address is known of messages that were opened; a draft proves it with its binding. */
  readonly from: { readonly peer: PeerId; readonly address?: EthAddress }
  readonly binding?: Uint8Array
  readonly to: Recipient
  readonly id: Uint8Array
  readonly sentAtMs: number
  readonly expiresAtMs: number
  readonly kind: Kind
  readonly conversation?: string
  readonly replyTo?: Uint8Array
  readonly sequence?: number
  readonly contentType?: string
  /** Which pre-key the body is sealed against; a body without is in the clear. */
  readonly preKey?: Uint8Array
  readonly body: Uint8Array
}

/** What came, with its form looked at and nothing else: believe none of it yet. */
export interface Envelope extends Draft {
  readonly network: string
  /** The bytes of all fields but body and signature. */
  readonly header: Uint8Array
  readonly signature: Uint8Array
}

const VERSION = 1
const TO_ADDRESS = 1
const TO_PEER = 2
const TO_TOPIC = 3
const TOPIC = /^[A-Za-z0-9][A-Za-z0-9._/-]*$/
const CONTENT_TYPE = /^[\x20-\x7e]+$/
const CONTROL = /\p{Cc}/u

/** The header of `draft` in `network`: signed beside the body, which is sealed under it. */
export function headerOf(draft: Draft, network: string): Uint8Array {
  checkDraft(draft)
  const known = headers.get(draft)
  if (known?.network === network) return known.header
  return encodeCbor(new Map(headerFields(draft, network)))
}

/** Of drafts whose body was sealed under a header: it is signed as it is. */
const headers = new WeakMap<Draft, { readonly network: string; readonly header: Uint8Array }>()

/** `draft`, which has this header in `network`: nobody makes it again. */
export function withHeader(draft: Draft, network: string, header: Uint8Array): Draft {
  headers.set(draft, { network, header })
  return draft
}

/** Reads an envelope of the right size and form; whether it is true is for `openEnvelope()`. */
export function readEnvelope(bytes: Uint8Array): Envelope {
  if (bytes.length > ENVELOPE_BYTES_MAX) throw tooLarge('a message', bytes.length)
  const map = decode(bytes)
  const body = bytesAt(map, BODY_KEY, [0, ENVELOPE_BYTES_MAX])
  const signature = bytesAt(map, SIGNATURE_KEY, SIGNATURE_BYTES)
  const envelope = { ...readHeader(map), body, signature, header: headerIn(bytes, body.length) }
  checkDraft(envelope)
  if (envelope.preKey !== undefined && envelope.body.length < SEAL_BYTES) {
    throw invalid(`a sealed body of less than ${SEAL_BYTES} bytes`)
  }
  return envelope
}

/** A recipient as people read it. */
export function recipientText(to: Recipient): string {
  if ('address' in to) return to.address
  return 'peer' in to ? to.peer : `topic ${to.topic}`
}

/** A bound on each field beyond its type; the same for what we send and for what we read. */
export function checkDraft(draft: Draft): void {
  const { body, preKey, to, conversation, contentType, sentAtMs, expiresAtMs } = draft
  const limit = BODY_BYTES_MAX + (preKey === undefined ? 0 : SEAL_BYTES)
  if (body.length > limit) throw tooLarge('a body', body.length, limit)
  if (preKey !== undefined && 'topic' in to) throw invalid('a sealed body for everybody')
  if (expiresAtMs <= sentAtMs || expiresAtMs - sentAtMs > LIFE_MS_MAX) {
    throw invalid(`a life of ${expiresAtMs - sentAtMs} ms, not 1 to ${LIFE_MS_MAX}`)
  }
  if ('topic' in to && (to.topic.length > TOPIC_CHARS_MAX || !TOPIC.test(to.topic))) {
    throw invalid('a topic that is no name of one')
  }
  if (conversation !== undefined && !isShort(conversation, CONVERSATION_CHARS_MAX)) {
    throw invalid(`a conversation that is not 1 to ${CONVERSATION_CHARS_MAX} characters`)
  }
  if (contentType !== undefined) {
    if (!isShort(contentType, CONTENT_TYPE_CHARS_MAX) || !CONTENT_TYPE.test(contentType)) {
      throw invalid(`a content type that is not 1 to ${CONTENT_TYPE_CHARS_MAX} of ASCII`)
    }
  }
}

function headerFields(draft: Draft, network: string): [number, Cbor][] {
  const fields: [number, Cbor | undefined][] = [
    [1, VERSION],
    [2, network],
    [3, peerIdToBytes(draft.from.peer)],
    [4, draft.binding],
    [5, packRecipient(draft.to)],
    [6, draft.id],
    [7, draft.sentAtMs],
    [8, draft.expiresAtMs],
    [9, KINDS.indexOf(draft.kind) + 1],
    [10, draft.conversation],
    [11, draft.replyTo],
    [12, draft.sequence],
    [13, draft.contentType],
    [14, draft.preKey],
  ]
  return fields.filter((field): field is [number, Cbor] => field[1] !== undefined)
}

type Fields = ReadonlyMap<Cbor, Cbor>

function readHeader(map: Fields): Omit<Envelope, 'body' | 'header' | 'signature'> {
  if (map.get(1) !== VERSION) throw invalid('another version')
  const kind = KINDS[numberAt(map, 9) - 1]
  if (kind === undefined) throw invalid('a kind that is not known')
  const network = textAt(map, 2)
  if (!isShort(network, NETWORK_CHARS_MAX)) throw invalid('a network that is no name of one')
  const binding = [1, BINDING_BYTES_MAX] as const
  return {
    network,
    from: { peer: peerOf(map.get(3)) },
    ...(map.has(4) && { binding: bytesAt(map, 4, binding) }),
    to: readRecipient(map.get(5)),
    id: bytesAt(map, 6, MESSAGE_ID_BYTES),
    sentAtMs: numberAt(map, 7),
    expiresAtMs: numberAt(map, 8),
    kind,
    ...(map.has(10) && { conversation: textAt(map, 10) }),
    ...(map.has(11) && { replyTo: bytesAt(map, 11, MESSAGE_ID_BYTES) }),
    ...(map.has(12) && { sequence: numberAt(map, 12) }),
    ...(map.has(13) && { contentType: textAt(map, 13) }),
    ...(map.has(14) && { preKey: bytesAt(map, 14, PRE_KEY_ID_BYTES) }),
  }
}

function packRecipient(to: Recipient): Cbor {
  if ('address' in to) return [TO_ADDRESS, ethAddressToBytes(to.address)]
  return 'peer' in to ? [TO_PEER, peerIdToBytes(to.peer)] : [TO_TOPIC, to.topic]
}

function readRecipient(value: Cbor | undefined): Recipient {
  const [form, whom, ...rest] = Array.isArray(value) ? (value as readonly Cbor[]) : []
  if (rest.length === 0) {
    if (form === TO_PEER) return { peer: peerOf(whom) }
    if (form === TO_TOPIC && typeof whom === 'string') return { topic: whom }
    if (form === TO_ADDRESS && whom instanceof Uint8Array && whom.length === ETH_ADDRESS_BYTES) {
      return addressed(whom)
    }
  }
  throw invalid('a recipient that is no address, peer or topic')
}

/** The text of an address takes a hash, and most messages are for few of them. */
const recipients = new RecentMap<string, { readonly address: EthAddress }>(1_024)

function addressed(bytes: Uint8Array): Recipient {
  const name = Buffer.from(bytes).toString('latin1')
  const known = recipients.get(name)
  if (known !== undefined) return known
  const recipient = { address: ethAddressFromBytes(bytes) }
  recipients.set(name, recipient)
  return recipient
}

function decode(bytes: Uint8Array): Fields {
  let value: Cbor
  try {
    value = decodeCbor(bytes, 'message', ENVELOPE_BYTES_MAX)
  } catch (cause) {
    throw invalid('bytes that are no deterministic CBOR', cause)
  }
  if (!(value instanceof Map)) throw invalid('no map')
  const known = (key: Cbor) => typeof key === 'number' && key >= 1 && key <= SIGNATURE_KEY
  if ([...(value as Fields).keys()].every(known)) return value as Fields
  throw invalid('a field that is not known')
}

function bytesAt(map: Fields, key: number, size: number | readonly [number, number]): Uint8Array {
  const value = map.get(key)
  const [least, most] = typeof size === 'number' ? [size, size] : size
  if (value instanceof Uint8Array && value.length >= least && value.length <= most) return value
  throw invalid(
    `a field ${key} that is not ${least === most ? least : `${least} to ${most}`} bytes`,
  )
}

function numberAt(map: Fields, key: number): number {
  const value = map.get(key)
  if (typeof value === 'number' && value >= 0) return value
  throw invalid(`a field ${key} that is no natural number`)
}

function textAt(map: Fields, key: number): string {
  const value = map.get(key)
  if (typeof value === 'string') return value
  throw invalid(`a field ${key} that is no text`)
}

function isShort(text: string, charsMax: number): boolean {
  return text.length >= 1 && text.length <= charsMax && !CONTROL.test(text)
}

function peerOf(value: Cbor | undefined): PeerId {
  try {
    if (value instanceof Uint8Array) return peerIdFromBytes(value)
  } catch (cause) {
    if (!hasCode(cause, 'IDENTITY_PEER_ID_INVALID')) throw cause
    throw invalid('bytes that are no peer id', cause)
  }
  throw invalid('a peer id that is no bytes')
}

function tooLarge(what: string, size: number, limit = ENVELOPE_BYTES_MAX) {
  return EnvelopeError.TOO_LARGE({ what, size, limit })
}

function invalid(found: string, cause?: unknown) {
  return EnvelopeError.ENVELOPE_INVALID({ found }, cause)
}
