import { CodedError, defineErrors, hasCode } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

export const DhtError = defineErrors('DHT', {
  KEY_INVALID: {
    says: (f: { key: string; reason: string }) => `Cannot use key "${f.key}": ${f.reason}`,
  },
  NAMESPACE_UNKNOWN: {
    says: (f: { key: string; known: readonly string[] }) =>
      `Cannot use key "${f.key}": its namespace is none of ${f.known.join(', ')}`,
  },
  NOT_PUBLISHER: {
    says: (f: { key: string; publisher: PeerId; wanted: PeerId }) =>
      `Cannot store "${f.key}" for ${f.publisher}: only ${f.wanted} may publish it`,
  },
  VALUE_TOO_LONG: {
    says: (f: { size: number; limit: number }) =>
      `Cannot publish a value of ${f.size} bytes: the limit is ${f.limit}. ` +
      'Store it elsewhere and publish where it is',
  },
  TTL_INVALID: {
    says: (f: { ttlSeconds: number; limit: number }) =>
      `Cannot publish for ${f.ttlSeconds} seconds: wanted a whole number from 1 to ${f.limit}`,
  },
  RECORD_INVALID: {
    says: (f: { field: string; found: string | number }) =>
      `Cannot accept record: its ${f.field} is ${f.found}`,
  },
  PUBLISHER_QUOTA: {
    says: (f: { publisher: PeerId; records: number; bytes: number }) =>
      `Cannot store more for ${f.publisher}: it has ${f.records} records of ${f.bytes} bytes here`,
    retryable: true,
  },
  SENDER_QUOTA: {
    says: (f: { sender: PeerId; records: number; bytes: number }) =>
      `Cannot store more from ${f.sender}: it brought ${f.records} records of ${f.bytes} bytes`,
    retryable: true,
  },
  SITE_QUOTA: {
    says: (f: { site: string; records: number; bytes: number }) =>
      `Cannot store more from network ${f.site}: its peers brought ${f.records} records of ` +
      `${f.bytes} bytes here`,
    retryable: true,
  },
  NOT_RESPONSIBLE: {
    says: () =>
      'Cannot store what lies far from this node: enough peers that it knows lie closer to the key',
  },
  CROWDED: {
    says: (f: { records: number; bytes: number }) =>
      `Cannot store record: ${f.records} records of ${f.bytes} bytes lie closer to this node, ` +
      'and there is room for no more',
    retryable: true,
  },
  STORE_FULL: {
    says: (f: { file: string }) =>
      `Cannot write ${f.file}: the disk is full. Free some space; the node goes on without`,
    retryable: true,
  },
  STORE_FAILED: {
    says: (f: { file: string; reason: string }) =>
      `Cannot use ${f.file}: ${f.reason}. Check the disk and the rights of the data folder`,
    retryable: true,
  },
  STORE_BROKEN: {
    says: (f: { file: string; reason: string }) =>
      `Cannot read ${f.file}: ${f.reason}. Move the file away and start again: ` +
      'the node makes a new one, and publishers renew their records',
  },
  STORE_TOO_NEW: {
    says: (f: { file: string; found: number; wanted: number }) =>
      `Cannot read ${f.file}: its format is ${f.found} and this version knows ${f.wanted}. ` +
      'Update p2p-foundation or move the file away',
  },
  REFUSED: {
    says: (f: { peer: PeerId; reason: string }) => `Cannot answer ${f.peer}: ${f.reason}`,
  },
  NO_DATAGRAMS: {
    says: (f: { reason: string }) =>
      `Cannot speak by datagram: ${f.reason}. Questions go over streams`,
  },
  FIRST_PEER_INVALID: {
    says: (f: { address: string }) =>
      `Cannot join over "${f.address}": wanted /ip4/<address>/udp/<port>/p2p/<peer id>, or /ip6/…`,
  },
  PEER_FAILED: {
    says: (f: { peer: PeerId; reason: string }) =>
      `Cannot get an answer from ${f.peer}: ${f.reason}`,
    retryable: true,
  },
  PEER_BUSY: {
    says: (f: { peer: PeerId; waiting: number }) =>
      `Cannot ask ${f.peer}: ${f.waiting} questions to it wait already`,
    retryable: true,
  },
  PUT_REFUSED: {
    says: (f: { peer: PeerId; key: string }) => `Cannot store "${f.key}" at ${f.peer}: it refused`,
    retryable: true,
  },
  NEWER_EXISTS: {
    says: (f: { key: string; version: number }) =>
      `Cannot store "${f.key}": version ${f.version} exists already`,
    retryable: true,
  },
  PROTOCOL_UNKNOWN: {
    says: (f: { protocol: string; known: readonly string[] }) =>
      `Cannot look into DHT "${f.protocol}": this node joined ` +
      `${f.known.join(', ') || 'no other'}. Name it in [dht] extra_protocols`,
  },
  TOO_MANY: {
    says: (f: { what: string; limit: number }) =>
      `Cannot publish more ${f.what}: this node keeps ${f.limit} alive at most`,
  },
  STOPPED: {
    says: (f: { key: string }) => `Cannot go on with "${f.key}": the node is stopping`,
  },
})

/** Narrows a caught value to the project's error, with its code as text. */
export function isCoded(error: unknown): error is CodedError {
  return error instanceof CodedError
}

/** What a report says of a peer that failed: an error without a code is the peer's failure. */
export function codeOf(error: unknown): string {
  return isCoded(error) ? error.code : 'DHT_PEER_FAILED'
}

/** Whether nothing was asked because this node has too much under way: no fault of a peer. */
export function isOurBusyness(error: unknown): boolean {
  return hasCode(error, 'DHT_PEER_BUSY', 'BASE_BUSY')
}
