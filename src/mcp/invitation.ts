/**
 * An invitation: what somebody must have to find a blinded service. Whoever has the text has the
 * secret, so it is handed over like a password.
 *
 * `p2p-invite-` and base64url, without padding, of at most 1,024 bytes:
 *
 *   offset  size  field
 *        0     1  version, 1; 2 where there are addresses
 *        1    32  secret
 *       33     1  number of peers, 1 to 4: others are not believed, though they know the secret
 *       34     …  each peer: length (1 byte, at most 64), its id
 *        …     1  length of the service's name, at most 63
 *        …     …  the service's name
 *        …     …  in version 2 only: number of addresses, 1 to 3, and for each which of the peers
 *                 is there (1 byte, from 0), length (1 byte, at most 200), a multiaddr that we
 *                 can dial, as text without the peer's id
 *        …     4  the first bytes of the SHA-256 of all before
 */

import { createHash } from 'node:crypto'
import { concatBytes, equalBytes, fromUtf8, hasCode, utf8 } from '../base/index.ts'
import { type PeerId, peerIdFromBytes, peerIdToBytes } from '../identity/index.ts'
import { type Address, compareAddresses, parseMultiaddr, scopeOfAddress } from '../net/index.ts'
import { Reader } from '../wire/index.ts'
import { SECRET_BYTES } from './blinded.ts'
import { isServiceName } from './descriptor.ts'
import { McpError } from './errors.ts'

export interface Invitation {
  readonly service: string
  readonly secret: Uint8Array
  /** Who offers the service. */
  readonly peers: readonly PeerId[]
  /** Where some of them were when it was written. */
  readonly addresses?: readonly InvitedAddress[]
}

export interface InvitedAddress {
  readonly peer: PeerId
  /** A multiaddr without the peer's id. */
  readonly address: string
}

const PREFIX = 'p2p-invite-'
const VERSION = 1
const VERSION_ADDRESSED = 2
const PEERS_MAX = 4
const PEER_BYTES_MAX = 64
const ADDRESSES_MAX = 3
const ADDRESS_CHARS_MAX = 200
const CHECK_BYTES = 4
const BYTES_MAX = 1_024
/** The longest text that an invitation may have. */
export const INVITATION_CHARS_MAX = PREFIX.length + Math.ceil((BYTES_MAX * 4) / 3)

/**
 * At most three of a peer's addresses, as an invitation has them: those that reach farthest, and
 * none of this machine alone where there are others.
 */
export function invitedAddresses(peer: PeerId, addresses: readonly string[]): InvitedAddress[] {
  const found = addresses.flatMap((text) => {
    const address = readAddress(text.replace(`/p2p/${peer}`, ''))
    return address === undefined ? [] : [address]
  })
  return found
    .toSorted((a, b) => reachOf(b) - reachOf(a) || compareAddresses(a, b))
    .filter((address, _, [best = address]) => {
      const reach = reachOf(address)
      return reach > 0 || (reach === 0 && reachOf(best) === 0)
    })
    .slice(0, ADDRESSES_MAX)
    .map(({ text }) => ({ peer, address: text }))
}

export function encodeInvitation(invitation: Invitation): string {
  const { service, secret, addresses = [] } = invitation
  const name = utf8(service)
  const peers = invitation.peers.slice(0, PEERS_MAX)
  const ids = peers.map(peerIdToBytes)
  const places = addresses
    .map(({ peer, address }) => ({ at: peers.indexOf(peer), text: utf8(address) }))
    .filter(({ at, text }) => at >= 0 && text.length <= ADDRESS_CHARS_MAX)
    .slice(0, ADDRESSES_MAX)
  const body = concatBytes(
    Uint8Array.of(places.length === 0 ? VERSION : VERSION_ADDRESSED),
    secret,
    Uint8Array.of(ids.length),
    ...ids.flatMap((id) => [Uint8Array.of(id.length), id]),
    Uint8Array.of(name.length),
    name,
    places.length === 0 ? new Uint8Array() : Uint8Array.of(places.length),
    ...places.flatMap(({ at, text }) => [Uint8Array.of(at, text.length), text]),
  )
  const bytes = concatBytes(body, checkOf(body))
  return PREFIX + Buffer.from(bytes).toString('base64url')
}

/** Reads the whole text or throws `MCP_INVITATION_INVALID`, which does not repeat it. */
export function decodeInvitation(text: string): Invitation {
  const trimmed = text.trim()
  if (trimmed.length > INVITATION_CHARS_MAX) throw invalid(`${trimmed.length} characters`)
  if (!trimmed.startsWith(PREFIX)) throw invalid(`a text that does not begin with "${PREFIX}"`)
  const encoded = trimmed.slice(PREFIX.length)
  const bytes = Uint8Array.from(Buffer.from(encoded, 'base64url'))
  if (Buffer.from(bytes).toString('base64url') !== encoded) throw invalid('no base64url')
  const body = bytes.subarray(0, Math.max(0, bytes.length - CHECK_BYTES))
  if (!equalBytes(checkOf(body), bytes.subarray(body.length))) {
    throw invalid('a text with a part missing or mistyped')
  }
  try {
    return read(new Reader(body))
  } catch (cause) {
    if (hasCode(cause, 'MCP_INVITATION_INVALID')) throw cause
    throw invalid('something else than an invitation', cause)
  }
}

function read(reader: Reader): Invitation {
  const version = reader.u8()
  if (version !== VERSION && version !== VERSION_ADDRESSED) throw invalid(`version ${version}`)
  const secret = Uint8Array.from(reader.take(SECRET_BYTES))
  const count = reader.u8()
  if (count < 1 || count > PEERS_MAX) throw invalid(`${count} peers`)
  const peers = Array.from({ length: count }, () => {
    const size = reader.u8()
    if (size > PEER_BYTES_MAX) throw invalid(`a peer of ${size} bytes`)
    return peerIdFromBytes(reader.take(size))
  })
  const service = fromUtf8(reader.take(reader.u8()))
  const addresses = version === VERSION_ADDRESSED ? readAddresses(reader, peers) : []
  reader.end()
  if (!isServiceName(service)) throw invalid('a service without a proper name')
  return { service, secret, peers, ...(addresses.length > 0 && { addresses }) }
}

function readAddresses(reader: Reader, peers: readonly PeerId[]): InvitedAddress[] {
  const count = reader.u8()
  if (count < 1 || count > ADDRESSES_MAX) throw invalid(`${count} addresses`)
  return Array.from({ length: count }, () => {
    const peer = peers[reader.u8()]
    const size = reader.u8()
    if (peer === undefined || size > ADDRESS_CHARS_MAX) throw invalid(`an address of ${size} bytes`)
    const address = fromUtf8(reader.take(size))
    if (readAddress(address) === undefined) throw invalid('an address that we cannot dial')
    return { peer, address }
  })
}

/** Only what is written as we write it, and names no peer: which one is there is said beside it. */
function readAddress(text: string): Address | undefined {
  try {
    const address = parseMultiaddr(text)
    const isPlain = address.text === text && address.peer === undefined
    return isPlain && text.length <= ADDRESS_CHARS_MAX ? address : undefined
  } catch {
    return undefined
  }
}

/** How far from its node an address leads; a name, or a relay, leads everywhere. */
function reachOf(address: Address): number {
  return REACHES.indexOf(scopeOfAddress(address) ?? 'global')
}

/** From what leads to this machine alone; `special` ones lead nowhere. */
const REACHES = ['loopback', 'link', 'private', 'global'] as readonly string[]

function checkOf(body: Uint8Array): Uint8Array {
  return createHash('sha256').update(body).digest().subarray(0, CHECK_BYTES)
}

function invalid(found: string, cause?: unknown) {
  return McpError.INVITATION_INVALID({ found }, cause)
}
