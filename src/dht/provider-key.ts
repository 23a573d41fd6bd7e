/**
 * What can be provided has a name such as `mcp:service:everything`. Its key is the SHA-256 of the
 * name as a multihash, which is the form in which kad-dht asks for providers:
 *
 *   12 20   SHA-256, 32 bytes
 *      32   hash of the name's UTF-8
 */

import { concatBytes, utf8 } from '../base/index.ts'
import { DhtError } from './errors.ts'
import { KEY_BYTES, sha256 } from './key.ts'

const HEAD = Uint8Array.of(0x12, 0x20)
const NAME_BYTES_MAX = 256

export function providerKey(name: string): Uint8Array {
  const bytes = utf8(name)
  if (bytes.length === 0 || bytes.length > NAME_BYTES_MAX) {
    const reason = `wanted a name of 1 to ${NAME_BYTES_MAX} bytes`
    throw DhtError.KEY_INVALID({ key: name.slice(0, 120), reason })
  }
  return concatBytes(HEAD, sha256(bytes))
}

export function isProviderKey(key: Uint8Array): boolean {
  return key.length === HEAD.length + KEY_BYTES && HEAD.every((byte, i) => key[i] === byte)
}
