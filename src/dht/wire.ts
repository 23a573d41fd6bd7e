/**
 * kad-dht's messages in protobuf, as go-libp2p-kad-dht's `dht.proto` and `record.proto` have them
 * (libp2p specification kad-dht, "RPC messages"). One varint-framed message each way:
 *
 *   Message   1 type (varint) · 2 key · 3 Record · 8 closerPeers: Peer… · 9 providerPeers: Peer…
 *             10 clusterLevelRaw (varint, obsolete: passed over)
 *   Record    1 key · 2 value · 5 timeReceived (RFC 3339 text)
 *   Peer      1 id (multihash) · 2 addrs: binary multiaddr… · 3 connection (varint: passed over)
 *
 * A message is at most 64 KiB: twice 20 peers with 8 addresses of 150 bytes and a record of ours
 * take 59 KB. Within it peers beyond 20 and addresses beyond 8 are passed over unread, so that a
 * peer with larger habits can still be understood; what must be whole and is too long is refused.
 */

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { hasCode, RecentMap } from '../base/index.ts'
import { type PeerId, peerIdFromBytes, peerIdToBytes } from '../identity/index.ts'
import { WireError } from '../wire/index.ts'
import { addressFromBytes, addressToBytes } from './multiaddrs.ts'
import { RECORD_BYTES_MAX } from './record.ts'
import { NAME_BYTES_MAX } from './validators.ts'

export const MESSAGE_BYTES_MAX = 64 * 1024
export const PEERS_MAX = 20
export const ADDRESSES_MAX = 8
const ADDRESS_BYTES_MAX = 256
const PEER_ID_BYTES_MAX = 64
/** So many times its limit of a list is looked at to find those that we can read. */
const READABLE_SHARE = 2

/** Tags as they stand in front of each field that we read. */
const VARINT_1 = tagOf(1, WireType.Varint)
const BYTES_1 = tagOf(1, WireType.LengthDelimited)
const BYTES_2 = tagOf(2, WireType.LengthDelimited)
const BYTES_3 = tagOf(3, WireType.LengthDelimited)
const BYTES_8 = tagOf(8, WireType.LengthDelimited)
const BYTES_9 = tagOf(9, WireType.LengthDelimited)

/** In the order of their numbers on the wire. */
export const MESSAGE_TYPES = [
  'putValue',
  'getValue',
  'addProvider',
  'getProviders',
  'findNode',
  'ping',
] as const
export type MessageType = (typeof MESSAGE_TYPES)[number]

export interface PeerInfo {
  readonly peer: PeerId
  /** Multiaddrs as text, without the peer id. */
  readonly addresses: readonly string[]
}

/** kad-dht's wrapping of a value; for us the value is an encoded `DhtRecord`. */
export interface KadRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array
  /** When the sender received it; other implementations want it there. */
  readonly receivedMs?: number
}

export interface Message {
  readonly type: MessageType
  readonly key?: Uint8Array
  readonly record?: KadRecord
  readonly closer?: readonly PeerInfo[]
  readonly providers?: readonly PeerInfo[]
}

export function encodeMessage(message: Message): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.Varint).uint32(MESSAGE_TYPES.indexOf(message.type))
  if (message.key !== undefined) writer.tag(2, WireType.LengthDelimited).bytes(message.key)
  if (message.record !== undefined) {
    writer.tag(3, WireType.LengthDelimited).bytes(encodeKadRecord(message.record))
  }
  for (const info of (message.closer ?? []).slice(0, PEERS_MAX)) writePeer(writer, 8, info)
  for (const info of (message.providers ?? []).slice(0, PEERS_MAX)) writePeer(writer, 9, info)
  return writer.finish()
}

export function decodeMessage(bytes: Uint8Array): Message {
  return decode(bytes, () => true)
}

/**
 * As `decodeMessage`, but with the one list of peers that a question is asked with: checking a
 * peer id takes a tenth of a millisecond, and whoever asks must not make us check hundreds.
 */
export function decodeQuestion(bytes: Uint8Array): Message {
  return decode(bytes, (list, type) => list === 'providers' && type === 'addProvider')
}

type Wanted = (list: 'closer' | 'providers', type: MessageType) => boolean

function decode(bytes: Uint8Array, wanted: Wanted): Message {
  limit('message', bytes, MESSAGE_BYTES_MAX)
  try {
    return readMessage(bytes, wanted)
  } catch (cause) {
    // The reader throws bare errors; ours say more.
    if (hasCode(cause, 'WIRE_MALFORMED', 'WIRE_TOO_LONG')) throw cause
    throw WireError.MALFORMED({ field: 'DHT message', found: 'bytes that are no protobuf' }, cause)
  }
}

function readMessage(bytes: Uint8Array, wanted: Wanted): Message {
  const found: { -readonly [Field in keyof Message]?: Message[Field] } = {}
  const lists = { closer: [] as Uint8Array[], providers: [] as Uint8Array[] }
  let number = 0
  readFields(bytes, (tag, reader) => {
    if (tag === VARINT_1) number = reader.uint32()
    else if (tag === BYTES_2) found.key = whole('key', reader.bytes(), NAME_BYTES_MAX)
    else if (tag === BYTES_3) found.record = readKadRecord(reader.bytes())
    else if (tag === BYTES_8 && hasRoom(lists.closer, PEERS_MAX)) lists.closer.push(reader.bytes())
    else if (tag === BYTES_9 && hasRoom(lists.providers, PEERS_MAX)) {
      lists.providers.push(reader.bytes())
    } else return false
    return true
  })
  const type = MESSAGE_TYPES[number]
  if (type === undefined) throw WireError.MALFORMED({ field: 'message type', found: number })
  const closer = wanted('closer', type) ? readPeers(lists.closer) : []
  const providers = wanted('providers', type) ? readPeers(lists.providers) : []
  return { ...found, type, closer, providers }
}

function encodeKadRecord(record: KadRecord): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.LengthDelimited).bytes(record.key)
  writer.tag(2, WireType.LengthDelimited).bytes(record.value)
  if (record.receivedMs !== undefined) {
    const received = new Date(record.receivedMs).toISOString()
    writer.tag(5, WireType.LengthDelimited).string(received)
  }
  return writer.finish()
}

/** When another node received a record is its own affair: we neither need nor believe it. */
function readKadRecord(bytes: Uint8Array): KadRecord {
  let key: Uint8Array = new Uint8Array()
  let value: Uint8Array = new Uint8Array()
  readFields(bytes, (tag, reader) => {
    if (tag === BYTES_1) key = whole('record key', reader.bytes(), NAME_BYTES_MAX)
    else if (tag === BYTES_2) value = whole('record value', reader.bytes(), RECORD_BYTES_MAX)
    else return false
    return true
  })
  return { key, value }
}

function writePeer(writer: BinaryWriter, field: number, info: PeerInfo): void {
  writer.tag(field, WireType.LengthDelimited).fork()
  writer.tag(1, WireType.LengthDelimited).bytes(peerIdToBytes(info.peer))
  for (const address of info.addresses.slice(0, ADDRESSES_MAX)) {
    const bytes = addressToBytes(address)
    if (bytes !== undefined && bytes.length <= ADDRESS_BYTES_MAX) {
      writer.tag(2, WireType.LengthDelimited).bytes(bytes)
    }
  }
  writer.join()
}

/** A peer whose id we cannot read is nobody we could ask: passed over, with its addresses. */
function readPeers(list: readonly Uint8Array[]): PeerInfo[] {
  const peers = list.map(readPeer)
  return peers.filter((info) => info !== undefined).slice(0, PEERS_MAX)
}

function readPeer(bytes: Uint8Array): PeerInfo | undefined {
  if (bytes.length > REMEMBERED_BYTES_MAX) return readNewPeer(bytes)
  const name = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const known = remembered.get(name)
  if (known !== undefined) return known
  const info = readNewPeer(bytes)
  if (info !== undefined) remembered.set(name, info)
  return info
}

/** Answers name the same few hundred peers in the same bytes, mostly by one address. */
const REMEMBERED_BYTES_MAX = 80
const REMEMBERED_MAX = 8_192
const remembered = new RecentMap<string, PeerInfo>(REMEMBERED_MAX)

function readNewPeer(bytes: Uint8Array): PeerInfo | undefined {
  let id: Uint8Array = new Uint8Array()
  const list: Uint8Array[] = []
  readFields(bytes, (tag, reader) => {
    if (tag === BYTES_1) id = whole('peer id', reader.bytes(), PEER_ID_BYTES_MAX)
    else if (tag === BYTES_2 && hasRoom(list, ADDRESSES_MAX)) list.push(reader.bytes())
    else return false
    return true
  })
  const addresses = list
    .map((each) => (each.length <= ADDRESS_BYTES_MAX ? addressFromBytes(each) : undefined))
    .filter((text) => text !== undefined)
    .slice(0, ADDRESSES_MAX)
  try {
    return { peer: peerIdFromBytes(id), addresses }
  } catch (error) {
    if (hasCode(error, 'IDENTITY_PEER_ID_INVALID')) return undefined
    throw error
  }
}

/**
 * Hands each field to `read` by its tag, which reads it or returns false to have it passed over.
 * Groups are refused: no message has them, and they are the one way to nest without a length.
 */
function readFields(bytes: Uint8Array, read: (tag: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (type === WireType.StartGroup || type === WireType.EndGroup) {
      throw WireError.MALFORMED({ field: 'DHT message', found: 'a protobuf group' })
    }
    if (!read(tagOf(field, type), reader)) reader.skip(type, field)
  }
}

/** What lies beyond is passed over: 64 KiB hold 30,000 peers of two bytes. */
function hasRoom(list: readonly Uint8Array[], most: number): boolean {
  return list.length < READABLE_SHARE * most
}

function tagOf(field: number, type: WireType): number {
  return (field << 3) | type
}

function whole(field: string, bytes: Uint8Array, bytesMax: number): Uint8Array {
  limit(field, bytes, bytesMax)
  return bytes
}

function limit(field: string, bytes: Uint8Array, bytesMax: number): void {
  if (bytes.length > bytesMax) {
    throw WireError.TOO_LONG({ field, size: bytes.length, limit: bytesMax })
  }
}
