/**
 * Our record: what a value in the DHT is, and who says so. Deterministic CBOR, a map of eight:
 *
 *   key  field      type and limit
 *     1  key        32 bytes, SHA-256 of the name that messages carry
 *     2  value      bytes, at most 8 KiB
 *     3  publisher  bytes, the multihash of the peer id
 *     4  signature  64 bytes, Ed25519 by the publisher
 *     5  ttl        seconds, 1 to 86,400
 *     6  version    Lamport number of the value, below 2⁵³
 *     7  issued     milliseconds since the Unix epoch
 *     8  nonce      work, below 2⁵³
 *
 * Signed, each with its length in front: "p2p-foundation dht 1", network, key, value, publisher,
 * ttl, version, issued. The same bytes followed by the nonce must hash to enough zero bits.
 */

import { hasWork, solveWork } from '../access/index.ts'
import { compareBytes } from '../base/index.ts'
import {
  type PeerId,
  peerIdFromBytes,
  peerIdToBytes,
  SIGNATURE_BYTES,
  type Signer,
  signedBytes,
  verifySignature,
} from '../identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { DhtError } from './errors.ts'
import { type DhtKey, KEY_BYTES, sha256 } from './key.ts'

export const VALUE_BYTES_MAX = 8 * 1024
export const TTL_SECONDS_MAX = 86_400
/** The value, and as much again as all other fields can need. */
export const RECORD_BYTES_MAX = VALUE_BYTES_MAX + 512
/** Clocks differ; a record from further ahead would outlive its time. */
const AHEAD_MS_MAX = 60_000
const DOMAIN = 'p2p-foundation dht 1'
const FIELDS = 8

/** What a publisher says; signing adds the rest. */
export interface Claim {
  readonly key: DhtKey
  readonly value: Uint8Array
  readonly publisher: PeerId
  readonly ttlSeconds: number
  readonly version: number
  readonly issuedMs: number
}

export interface DhtRecord extends Claim {
  readonly signature: Uint8Array
  readonly nonce: number
}

/** What both ends must agree on for a record to hold. */
export interface RecordRules {
  readonly network: string
  readonly workBits: number
}

/** Does the work for `claim` and signs it; takes some milliseconds at 12 bits. */
export async function signRecord(
  claim: Claim,
  signer: Signer,
  rules: RecordRules,
  options: { readonly signal?: AbortSignal } = {},
): Promise<DhtRecord> {
  checkClaim(claim)
  const bytes = claimBytes(claim, rules.network)
  const nonce = await solveWork(bytes, rules.workBits, options)
  return { ...claim, nonce, signature: await signer.sign(bytes) }
}

export function encodeRecord(record: DhtRecord): Uint8Array {
  return encodeCbor(
    new Map<Cbor, Cbor>([
      [1, record.key],
      [2, record.value],
      [3, peerIdToBytes(record.publisher)],
      [4, record.signature],
      [5, record.ttlSeconds],
      [6, record.version],
      [7, record.issuedMs],
      [8, record.nonce],
    ]),
  )
}

/** Reads a record whose fields are of the right kind and size; nothing is verified yet. */
export function decodeRecord(bytes: Uint8Array): DhtRecord {
  const fields = decodeCbor(bytes, 'record', RECORD_BYTES_MAX)
  if (!(fields instanceof Map) || fields.size !== FIELDS) throw invalid('form', 'no map of eight')
  const record = {
    key: bytesOf(fields, 1, 'key') as DhtKey,
    value: bytesOf(fields, 2, 'value'),
    publisher: peerIdFromBytes(bytesOf(fields, 3, 'publisher')),
    signature: bytesOf(fields, 4, 'signature'),
    ttlSeconds: numberOf(fields, 5, 'ttl'),
    version: numberOf(fields, 6, 'version'),
    issuedMs: numberOf(fields, 7, 'issue time'),
    nonce: numberOf(fields, 8, 'nonce'),
  }
  if (record.signature.length !== SIGNATURE_BYTES) {
    throw invalid('signature length', record.signature.length)
  }
  checkClaim(record)
  return record
}

/** Cheap checks first, so that garbage costs us less than it cost to make: time, then work. */
export function checkTimeAndWork(record: DhtRecord, rules: RecordRules, nowMs: number): void {
  if (record.issuedMs > nowMs + AHEAD_MS_MAX) throw invalid('issue time', 'in the future')
  if (expiryOf(record) <= nowMs) throw invalid('time', 'over')
  if (!hasWork(claimBytes(record, rules.network), record.nonce, rules.workBits)) {
    throw invalid('work', `less than ${rules.workBits} bits`)
  }
}

export function checkSignature(record: DhtRecord, rules: RecordRules): void {
  const bytes = claimBytes(record, rules.network)
  if (!verifySignature(record.publisher, bytes, record.signature)) {
    throw invalid('signature', `not one of ${record.publisher}`)
  }
}

/** Whether a record holds now, in this network; says which of its fields does not. */
export function verifyRecord(record: DhtRecord, rules: RecordRules, nowMs: number): void {
  checkTimeAndWork(record, rules, nowMs)
  checkSignature(record, rules)
}

/** When the publisher's promise ends, in milliseconds since the epoch. */
export function expiryOf(record: Claim): number {
  return record.issuedMs + 1_000 * record.ttlSeconds
}

/**
 * Positive when `a` replaces `b`: higher version, then larger hash of the value, then issued later
 * (the same value renewed). The same everywhere, so holders agree without talking.
 */
export function compareRecords(a: Claim, b: Claim): number {
  if (a.version !== b.version) return a.version - b.version
  return compareBytes(sha256(a.value), sha256(b.value)) || a.issuedMs - b.issuedMs
}

/** Work and signature are over the same bytes: of a record they are put together once. */
const claims = new WeakMap<Claim, { readonly network: string; readonly bytes: Uint8Array }>()

function claimBytes(claim: Claim, network: string): Uint8Array {
  const known = claims.get(claim)
  if (known?.network === network) return known.bytes
  const bytes = frameClaim(claim, network)
  claims.set(claim, { network, bytes })
  return bytes
}

function frameClaim(claim: Claim, network: string): Uint8Array {
  const { key, value, publisher, ttlSeconds, version, issuedMs } = claim
  const from = peerIdToBytes(publisher)
  return signedBytes(DOMAIN, [network, key, value, from, ttlSeconds, version, issuedMs])
}

function checkClaim(claim: Claim): void {
  if (claim.key.length !== KEY_BYTES) throw invalid('key length', claim.key.length)
  if (claim.value.length > VALUE_BYTES_MAX) throw invalid('value length', claim.value.length)
  if (!isWhole(claim.ttlSeconds, 1, TTL_SECONDS_MAX)) throw invalid('ttl', claim.ttlSeconds)
  if (!isWhole(claim.version, 0)) throw invalid('version', claim.version)
  if (!isWhole(claim.issuedMs, 0)) throw invalid('issue time', claim.issuedMs)
}

function isWhole(value: number, least: number, most = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most
}

function bytesOf(fields: ReadonlyMap<Cbor, Cbor>, at: number, field: string): Uint8Array {
  const value = fields.get(at)
  if (!(value instanceof Uint8Array)) throw invalid(field, 'not bytes')
  return value
}

function numberOf(fields: ReadonlyMap<Cbor, Cbor>, at: number, field: string): number {
  const value = fields.get(at)
  if (typeof value !== 'number' || value < 0) throw invalid(field, 'not a natural number')
  return value
}

function invalid(field: string, found: string | number) {
  return DhtError.RECORD_INVALID({ field, found })
}
