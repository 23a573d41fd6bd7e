/**
 * The PeerIdentity of the specification: who a peer is, where it is reached, what it can do and
 * when it last said so. Deterministic CBOR of at most 4 KiB, a map of six:
 *
 *   key  field         type and limit
 *     1  peer          bytes, the multihash of the peer id
 *     2  public key    32 bytes, Ed25519; the one that the peer id stands for
 *     3  endpoints     at most 8 multiaddrs of at most 256 characters, each once
 *     4  capabilities  at most 64 names of at most 128 characters, each once
 *     5  seen          milliseconds since the Unix epoch, when the peer said all this
 *     6  signature     64 bytes, Ed25519 by the peer
 *
 * Signed, each with its length in front: "p2p-foundation peer identity 1", network, peer, public
 * key, the CBOR of the endpoints, the CBOR of the capabilities, seen.
 *
 * It stands in the DHT under `/peer/<peerId>`, where the record around it is signed as well, and a
 * message on a topic is signed by its author. The signature inside is not one too many: a topic's
 * schema is not told who the author is, and an identity that was read can be handed on.
 */

import { hasCode } from '../base/index.ts'
import {
  type PeerId,
  peerIdFromBytes,
  peerIdFromPublicKey,
  peerIdToBytes,
  SIGNATURE_BYTES,
  type Signer,
  signedBytes,
  verifySignature,
} from '../identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { NodeError } from './errors.ts'

export const PEER_IDENTITY_BYTES_MAX = 4 * 1024
export const ENDPOINTS_MAX = 8
export const CAPABILITIES_MAX = 64
/** Clocks differ; what comes from further ahead would look fresh for too long. */
const AHEAD_MS_MAX = 60_000
const DOMAIN = 'p2p-foundation peer identity 1'
const FIELDS = 6
const PUBLIC_KEY_BYTES = 32
/** Printable ASCII: neither can hide anything on a terminal. */
const ENDPOINT = /^\/[\x21-\x7e]{1,255}$/
const CAPABILITY = /^[\x21-\x7e]{1,128}$/
/** What all fields but the endpoints and capabilities need at most. */
const HEAD_BYTES_MAX = 256

/** What a peer says of itself. */
export interface PeerClaims {
  /** Multiaddrs. */
  readonly endpoints: readonly string[]
  /** Such as `mcp:service:calc`, `mcp:tool:add` or `dht:server`. */
  readonly capabilities: readonly string[]
}

/** The same with who says it, and when. */
export interface PeerIdentity extends PeerClaims {
  readonly peer: PeerId
  readonly publicKey: Uint8Array
  readonly lastSeenMs: number
  readonly signature: Uint8Array
}

/** Where its record stands in the DHT. */
export function peerIdentityKey(peer: PeerId): string {
  return `/peer/${peer}`
}

/** As much of `claims` as one identity takes: IPv6 first, then in the order given. */
export function fitClaims(claims: PeerClaims): PeerClaims {
  const usable = [...new Set(claims.endpoints)].filter((text) => ENDPOINT.test(text))
  const isV6 = (text: string) => text.startsWith('/ip6/')
  const sorted = [...usable.filter(isV6), ...usable.filter((text) => !isV6(text))]
  const endpoints = sorted.slice(0, ENDPOINTS_MAX)
  const named = [...new Set(claims.capabilities)].filter((name) => CAPABILITY.test(name))
  const capabilities: string[] = []
  let left = PEER_IDENTITY_BYTES_MAX - HEAD_BYTES_MAX - encodeCbor(endpoints).length
  for (const name of named.slice(0, CAPABILITIES_MAX)) {
    left -= encodeCbor(name).length
    if (left < 0) break
    capabilities.push(name)
  }
  return { endpoints, capabilities }
}

/** Signs what fits of `claims` as said at `lastSeenMs`. */
export async function signPeerIdentity(
  claims: PeerClaims,
  signer: Signer,
  { network, lastSeenMs }: { readonly network: string; readonly lastSeenMs: number },
): Promise<PeerIdentity> {
  const { peer, publicKey } = signer
  const said = { peer, publicKey, ...fitClaims(claims), lastSeenMs }
  const signature = await signer.sign(signedPart(said, network))
  return { ...said, signature: Uint8Array.from(signature) }
}

export function encodePeerIdentity(identity: PeerIdentity): Uint8Array {
  return encodeCbor(
    new Map<Cbor, Cbor>([
      [1, peerIdToBytes(identity.peer)],
      [2, identity.publicKey],
      [3, identity.endpoints],
      [4, identity.capabilities],
      [5, identity.lastSeenMs],
      [6, identity.signature],
    ]),
  )
}

/** Reads an identity of the right form, whole or not at all; its signature is not looked at. */
export function decodePeerIdentity(bytes: Uint8Array): PeerIdentity {
  const fields = decodeCbor(bytes, 'peer identity', PEER_IDENTITY_BYTES_MAX)
  if (!(fields instanceof Map) || fields.size !== FIELDS) throw invalid('form', 'no map of six')
  const publicKey = bytesAt(fields, 2, { field: 'public key', size: PUBLIC_KEY_BYTES })
  const peer = readPeer(fields, publicKey)
  const lastSeenMs: unknown = fields.get(5)
  if (typeof lastSeenMs !== 'number' || lastSeenMs < 0) {
    throw invalid('time', 'no natural number')
  }
  return {
    peer,
    publicKey,
    endpoints: textsAt(fields, 3, { field: 'endpoints', max: ENDPOINTS_MAX, form: ENDPOINT }),
    capabilities: textsAt(fields, 4, {
      field: 'capabilities',
      max: CAPABILITIES_MAX,
      form: CAPABILITY,
    }),
    lastSeenMs,
    signature: bytesAt(fields, 6, { field: 'signature', size: SIGNATURE_BYTES }),
  }
}

/** Throws unless the peer itself said this, in this network, and not in the future. */
export function checkPeerIdentity(
  identity: PeerIdentity,
  { network, nowMs }: { readonly network: string; readonly nowMs: number },
): void {
  const { peer, lastSeenMs, signature } = identity
  if (lastSeenMs > nowMs + AHEAD_MS_MAX) throw invalid('time', 'in the future')
  if (!verifySignature(peer, signedPart(identity, network), signature)) {
    throw invalid('signature', `not one of ${peer}`)
  }
}

/** The sockets among the endpoints as the specification has them: `[2001:db8::1]:9000`. */
export function ipv6EndpointsOf({ endpoints }: Pick<PeerIdentity, 'endpoints'>): string[] {
  const found = endpoints.map((text) => /^\/ip6\/([^/]+)\/(?:tcp|udp)\/(\d+)/.exec(text))
  const sockets = found.flatMap((match) => (match === null ? [] : [`[${match[1]}]:${match[2]}`]))
  return [...new Set(sockets)]
}

function signedPart(said: Omit<PeerIdentity, 'signature'>, network: string): Uint8Array {
  const { peer, publicKey, endpoints, capabilities, lastSeenMs } = said
  const lists = [encodeCbor(endpoints), encodeCbor(capabilities)]
  return signedBytes(DOMAIN, [network, peerIdToBytes(peer), publicKey, ...lists, lastSeenMs])
}

/** The id and the key say the same twice; where they differ, one of them is a lie. */
function readPeer(fields: ReadonlyMap<Cbor, Cbor>, publicKey: Uint8Array): PeerId {
  try {
    const peer = peerIdFromBytes(bytesAt(fields, 1, { field: 'peer' }))
    if (peer === peerIdFromPublicKey(publicKey)) return peer
  } catch (cause) {
    if (!hasCode(cause, 'IDENTITY_PEER_ID_INVALID')) throw cause
    throw NodeError.PEER_IDENTITY_BROKEN({ field: 'peer', found: 'no peer id' }, cause)
  }
  throw invalid('public key', 'not that of the peer id')
}

function bytesAt(
  fields: ReadonlyMap<Cbor, Cbor>,
  at: number,
  { field, size }: { readonly field: string; readonly size?: number },
): Uint8Array {
  const value = fields.get(at)
  if (!(value instanceof Uint8Array)) throw invalid(field, 'not bytes')
  if (size !== undefined && value.length !== size) throw invalid(field, `${value.length} bytes`)
  return value
}

function textsAt(
  fields: ReadonlyMap<Cbor, Cbor>,
  at: number,
  { field, max, form }: { readonly field: string; readonly max: number; readonly form: RegExp },
): string[] {
  const value = fields.get(at)
  if (!Array.isArray(value)) throw invalid(field, 'no list')
  const list = value as readonly Cbor[]
  if (list.length > max) throw invalid(field, `${list.length} of them, at most ${max}`)
  const texts = list.filter((one): one is string => typeof one === 'string' && form.test(one))
  if (texts.length !== list.length) throw invalid(field, 'one of another form')
  if (new Set(texts).size !== texts.length) throw invalid(field, 'one of them twice')
  return texts
}

function invalid(field: string, found: string) {
  return NodeError.PEER_IDENTITY_BROKEN({ field, found })
}
