/**
 * kad-dht's messages cut to the size of a packet.
 *
 * Both ends of a datagram know what was asked, so an answer leaves out the key, and a record the
 * key that its message has. Closer peers are named by their datagram address, closest first, as
 * many as fit; whoever lacks one by its first other addresses. A record or providers that do not
 * fit make the answer partial. Fields of protobuf stand side by side, so peers are put behind what
 * is there.
 */

import { concatBytes, RecentMap } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import { ANSWER_ROOM_BYTES } from './datagram-packet.ts'
import { addressToBytes, isDatagramAddress } from './multiaddrs.ts'
import { encodeMessage, type Message, PEERS_MAX, type PeerInfo } from './wire.ts'

const CLOSER = 8
const PROVIDERS = 9
const LENGTH_DELIMITED = 2
/** A lookup must go on even from where many provide: so much is kept for closer peers. */
const CLOSER_ROOM_BYTES = 8 * 53
/** Beyond a byte's worth of length a peer is not named in a packet. */
const SHORT_MAX = 127
const STREAM_ADDRESSES_MAX = 2
const NO_KEY = new Uint8Array()

/** The question as it goes into a packet. */
export function fitQuestion(message: Message): Uint8Array {
  const { record } = message
  if (record === undefined) return encodeMessage(message)
  return encodeMessage({ ...message, record: { key: NO_KEY, value: record.value } })
}

/** The message as it was before `fitQuestion`. */
export function wholeQuestion(message: Message): Message {
  const { record, key } = message
  if (record === undefined || record.key.length > 0 || key === undefined) return message
  return { ...message, record: { ...record, key } }
}

/** The answer as it goes into a packet, and whether something of it stayed behind. */
export function fitAnswer(answer: Message): { bytes: Uint8Array; partial: boolean } {
  const { type, record, closer = [], providers = [] } = answer
  const whole = encodeMessage(
    record ? { type, record: { key: NO_KEY, value: record.value } } : { type },
  )
  const fits = whole.length <= ANSWER_ROOM_BYTES
  const parts = [fits ? whole : encodeMessage({ type })]
  const packed = new Packed(parts, fits ? ANSWER_ROOM_BYTES - whole.length : 0)
  const named = packProviders(packed, providers.slice(0, PEERS_MAX))
  for (const info of closer.slice(0, PEERS_MAX)) {
    packed.add(closerField(info))
  }
  return { bytes: concatBytes(...parts), partial: !fits || named < providers.length }
}

/** The answer as it was before `fitAnswer`, to a question of this key. */
export function wholeAnswer(answer: Message, key: Uint8Array | undefined): Message {
  if (key === undefined || answer.key !== undefined) return answer
  const { record } = answer
  if (record === undefined || record.key.length > 0) return { ...answer, key }
  return { ...answer, key, record: { ...record, key } }
}

/** Fields, for as long as there is room. */
class Packed {
  readonly #parts: Uint8Array[]
  #roomBytes: number

  constructor(parts: Uint8Array[], roomBytes: number) {
    this.#parts = parts
    this.#roomBytes = roomBytes
  }

  get roomBytes(): number {
    return this.#roomBytes
  }

  /** What does not fit is left out: a later, shorter one may fit. */
  add(field: Uint8Array | undefined): boolean {
    if (field === undefined || field.length > this.#roomBytes) return false
    this.#parts.push(field)
    this.#roomBytes -= field.length
    return true
  }
}

/** With a datagram address and two others each, or with one other if so more of them fit. */
function packProviders(packed: Packed, providers: readonly PeerInfo[]): number {
  if (providers.length === 0) return 0
  const roomBytes = packed.roomBytes - CLOSER_ROOM_BYTES
  const fieldsWith = (streamsMax: number, datagramsMax: number) =>
    providers.map((info) => {
      const streams = relaysFirst(info.addresses.filter((one) => !isDatagramAddress(one)))
      const datagrams = info.addresses.filter(isDatagramAddress).slice(0, datagramsMax)
      return peerField(PROVIDERS, info, [...streams.slice(0, streamsMax), ...datagrams])
    })
  const rich = fieldsWith(STREAM_ADDRESSES_MAX, 1)
  const size = rich.reduce((sum, field) => sum + (field?.length ?? 0), 0)
  let used = 0
  let named = 0
  for (const field of size <= roomBytes ? rich : fieldsWith(1, 0)) {
    const length = field?.length ?? 0
    if (used + length > roomBytes || !packed.add(field)) continue
    used += length
    named += 1
  }
  return named
}

/** The same few hundred peers are named again and again, by the same address. */
function closerField(info: PeerInfo): Uint8Array | undefined {
  const { peer, addresses } = info
  const known = named.get(peer)
  const isPlain = addresses.length === 1
  if (isPlain && known !== undefined && known.address === addresses[0]) return known.field
  const datagram = addresses.find(isDatagramAddress)
  if (datagram === undefined) {
    return peerField(CLOSER, info, relaysFirst(addresses).slice(0, STREAM_ADDRESSES_MAX))
  }
  // Nobody reaches such a peer unless the relay is named.
  const relayed = addresses.find(isThroughRelay)
  if (relayed !== undefined) return peerField(CLOSER, info, [datagram, relayed])
  const field = peerField(CLOSER, info, [datagram])
  if (field !== undefined) named.set(peer, { address: datagram, field })
  return field
}

/** One address through a relay before all others: nobody has one who can be reached otherwise. */
function relaysFirst(addresses: readonly string[]): readonly string[] {
  const relayed = addresses.find(isThroughRelay)
  if (relayed === undefined) return addresses
  return [relayed, ...addresses.filter((one) => one !== relayed)]
}

function isThroughRelay(address: string): boolean {
  return address.endsWith('/p2p-circuit')
}

const NAMED_MAX = 8_192
const named = new RecentMap<PeerId, { address: string; field: Uint8Array }>(NAMED_MAX)

/** Tag and length of the peer, of its id and of each address are a byte each. */
function peerField(
  field: number,
  { peer }: PeerInfo,
  addresses: readonly string[],
): Uint8Array | undefined {
  const id = peerIdToBytes(peer)
  const known = addresses.map(addressToBytes).filter((bytes) => bytes !== undefined)
  const size = known.reduce((sum, bytes) => sum + 2 + bytes.length, 2 + id.length)
  if (size > SHORT_MAX) {
    return addresses.length > 1
      ? peerField(field, { peer, addresses }, addresses.slice(0, -1))
      : undefined
  }
  const bytes = new Uint8Array(2 + size)
  bytes[0] = (field << 3) | LENGTH_DELIMITED
  bytes[1] = size
  let at = 2
  for (const [i, part] of [id, ...known].entries()) {
    bytes[at] = ((i === 0 ? 1 : 2) << 3) | LENGTH_DELIMITED
    bytes[at + 1] = part.length
    bytes.set(part, at + 2)
    at += 2 + part.length
  }
  return bytes
}
