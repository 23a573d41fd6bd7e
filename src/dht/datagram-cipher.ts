/** How the packets of the datagram face are sealed: ChaCha20-Poly1305 (RFC 8439). */

import { createCipheriv, createDecipheriv } from 'node:crypto'
import { TAG_BYTES } from './datagram-packet.ts'

const CIPHER = 'chacha20-poly1305'
const NONCE_BYTES = 12

/** `head` as it is, then `body` sealed, then the tag over both and over `authenticated`. */
export function sealed(
  key: Uint8Array,
  counter: number,
  { head, authenticated }: { readonly head: Uint8Array; readonly authenticated: Uint8Array },
  body: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv(CIPHER, key, nonceOf(counter), { authTagLength: TAG_BYTES })
  cipher.setAAD(authenticated, { plaintextLength: body.length })
  const hidden = cipher.update(body)
  cipher.final()
  const bytes = new Uint8Array(head.length + hidden.length + TAG_BYTES)
  bytes.set(head)
  bytes.set(hidden, head.length)
  bytes.set(cipher.getAuthTag(), head.length + hidden.length)
  return bytes
}

/** What was sealed; `undefined` when it was not sealed so. */
export function opened(
  key: Uint8Array,
  packet: { readonly sealed: Uint8Array; readonly counter: number },
  authenticated: Uint8Array,
): Uint8Array | undefined {
  const end = packet.sealed.length - TAG_BYTES
  const nonce = nonceOf(packet.counter)
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(authenticated, { plaintextLength: end })
  decipher.setAuthTag(packet.sealed.subarray(end))
  const body = decipher.update(packet.sealed.subarray(0, end))
  try {
    decipher.final()
    return body
  } catch {
    return undefined
  }
}

function nonceOf(counter: number): Uint8Array {
  const nonce = Buffer.alloc(NONCE_BYTES)
  nonce.writeUIntBE(counter, 6, 6)
  return nonce
}
