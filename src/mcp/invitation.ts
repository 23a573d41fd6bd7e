/**
 * An invitation: what somebody must have to find a blinded service. Whoever has the text has the
 * secret, so it is handed over like a password.
 *
 * `p2p-invite-` and base64url, without padding, of at most 512 bytes:
 *
 *   offset  size  field
 *        0     1  version, always 1
 *        1    32  secret
 *       33     1  number of peers, 1 to 4: others are not believed, though they know the secret
 *       34     …  each peer: length (1 byte, at most 64), its id
 *        …     1  length of the service's name, at most 63
 *        …     …  the service's name
 *        …     4  the first bytes of the SHA-256 of all before
 */

import { createHash } from 'node:crypto'
import { concatBytes, equalBytes, fromUtf8, hasCode, utf8 } from '../base/index.ts'
import { type PeerId, peerIdFromBytes, peerIdToBytes } from '../identity/index.ts'
import { Reader } from '../wire/index.ts'
import { SECRET_BYTES } from './blinded.ts'
import { isServiceName } from './descriptor.ts'
import { McpError } from './errors.ts'

export interface Invitation {
  readonly service: string
  readonly secret: Uint8Array
  /** Who offers the service. */
  readonly peers: readonly PeerId[]
}

const PREFIX = 'p2p-invite-'
const VERSION = 1
const PEERS_MAX = 4
const PEER_BYTES_MAX = 64
const CHECK_BYTES = 4
const BYTES_MAX = 512
/** The longest text that an invitation may have. */
export const INVITATION_CHARS_MAX = PREFIX.length + Math.ceil((BYTES_MAX * 4) / 3)

export function encodeInvitation({ service, secret, peers }: Invitation): string {
  const name = utf8(service)
  const ids = peers.slice(0, PEERS_MAX).map(peerIdToBytes)
  const body = concatBytes(
    Uint8Array.of(VERSION),
    secret,
    Uint8Array.of(ids.length),
    ...ids.flatMap((id) => [Uint8Array.of(id.length), id]),
    Uint8Array.of(name.length),
    name,
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
  if (version !== VERSION) throw invalid(`version ${version}`)
  const secret = Uint8Array.from(reader.take(SECRET_BYTES))
  const count = reader.u8()
  if (count < 1 || count > PEERS_MAX) throw invalid(`${count} peers`)
  const peers = Array.from({ length: count }, () => {
    const size = reader.u8()
    if (size > PEER_BYTES_MAX) throw invalid(`a peer of ${size} bytes`)
    return peerIdFromBytes(reader.take(size))
  })
  const service = fromUtf8(reader.take(reader.u8()))
  reader.end()
  if (!isServiceName(service)) throw invalid('a service without a proper name')
  return { service, secret, peers }
}

function checkOf(body: Uint8Array): Uint8Array {
  return createHash('sha256').update(body).digest().subarray(0, CHECK_BYTES)
}

function invalid(found: string, cause?: unknown) {
  return McpError.INVITATION_INVALID({ found }, cause)
}
