/**
 * Noise for bulk data: less memory for each message than the library takes.
 *
 * Memory outside the JavaScript heap brings a full garbage collection for each 64 MiB that is
 * allocated, a fifth of the time of a busy TCP stream. The library's `decrypt` copies a message
 * that came in two reads as room for a result that OpenSSL puts elsewhere. And of what was read
 * from a socket, or encrypted for it, nobody needs a byte once it is decrypted, or written: it is
 * given back at once. The bytes on the wire are the library's own.
 */

import { noise } from '@chainsafe/libp2p-noise'
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'

type EncrypterFactory = NonNullable<Libp2pOptions['connectionEncrypters']>[number]
type Bytes = Exclude<Parameters<MessageStream['send']>[0], Uint8Array>

/** What is used of the library's encrypted stream beyond its public face. */
interface Encrypted {
  decrypt(message: Bytes): Bytes | Uint8Array
  encrypt(data: Bytes): Bytes
  readonly handshake: { decrypt(message: Bytes): Bytes | Uint8Array }
}

/** Below this memory is cheap enough to wait for the garbage collector. */
const LARGE_BYTES = 16 * 1_024
const TAG_BYTES = 16

/** Memory that holds encrypted bytes on their way to a socket, and nothing else. */
const encrypted = new WeakSet<ArrayBufferLike>()

/** Noise as the library makes it, with less memory for large messages. */
export function bulkNoise(): EncrypterFactory {
  const make = noise()
  return (components) => {
    const encrypter = make(components)
    const { secureInbound, secureOutbound } = encrypter
    const inbound = secureInbound.bind(encrypter)
    const outbound = secureOutbound.bind(encrypter)
    return Object.assign(encrypter, {
      secureInbound: async (stream, options) => lean(await inbound(stream, options), stream),
      secureOutbound: async (stream, options) => lean(await outbound(stream, options), stream),
    } satisfies Pick<ConnectionEncrypter, 'secureInbound' | 'secureOutbound'>)
  }
}

/** What is left to do once `bytes` are written: the memory of what Noise made is given back. */
export function afterWrite({ buffer }: Uint8Array): (() => void) | undefined {
  return encrypted.has(buffer) ? () => giveBack(buffer) : undefined
}

function lean<Secured extends { readonly connection: MessageStream }>(
  secured: Secured,
  raw: MessageStream,
): Secured {
  const stream = secured.connection as unknown as Encrypted
  // What comes from elsewhere, such as a relayed stream, may share its memory with others.
  const isSocket = 'socket' in raw
  const decrypt = stream.decrypt.bind(stream)
  const encrypt = stream.encrypt.bind(stream)
  stream.decrypt = (message) => {
    // The library refuses what is too short.
    if (message.byteLength < TAG_BYTES) return decrypt(message)
    // Nothing is decrypted in place, where what waits for its reader would be given back with it.
    const plain = stream.handshake.decrypt(message)
    if (isSocket) for (const piece of message) giveBackRead(piece)
    return plain
  }
  if (isSocket) {
    stream.encrypt = (data) => {
      const message = encrypt(data)
      for (const { buffer, byteLength } of message) {
        if (byteLength >= LARGE_BYTES && byteLength === buffer.byteLength) encrypted.add(buffer)
      }
      return message
    }
  }
  return secured
}

/** Reads are consumed in order, so whoever takes the end of one is its last user. */
function giveBackRead({ buffer, byteOffset, byteLength }: Uint8Array): void {
  if (byteLength < LARGE_BYTES || byteOffset + byteLength < buffer.byteLength) return
  giveBack(buffer)
}

/** Detached memory is freed at once; every view of it is empty from then on. */
function giveBack(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
