/**
 * Cookies: proof that a sender receives what is sent to the address it claims, as in
 * RFC 9000 §8.1.
 *
 *   0 when it was made, ms (6)
 *   6 the first 10 bytes of HMAC-SHA256(secret, time · port · key · host)
 *
 * The secret is of this run of the process; nothing is remembered of whom a cookie was given to. It
 * holds for one address and one sender, so that neither can lend it to another.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { UdpEndpoint } from '../net/index.ts'
import { COOKIE_BYTES, KEY_BYTES } from './datagram-packet.ts'

/** Long enough that peers who ask now and then need no second exchange. */
export const COOKIE_MS_MAX = 4 * 60_000
const TIME_BYTES = 6
const WORD = 2 ** 32

export class Cookies {
  readonly #secret: Uint8Array

  constructor(secret: Uint8Array) {
    this.#secret = secret
  }

  make(to: UdpEndpoint, key: Uint8Array, nowMs: number): Uint8Array {
    const issuedMs = Math.max(0, Math.floor(nowMs))
    const said = Buffer.alloc(TIME_BYTES + 2 + KEY_BYTES + to.host.length)
    said.writeUIntBE(issuedMs, 0, TIME_BYTES)
    said.writeUInt16BE(to.port, TIME_BYTES)
    said.set(key, TIME_BYTES + 2)
    said.write(to.host, TIME_BYTES + 2 + KEY_BYTES, 'latin1')
    const proof = createHmac('sha256', this.#secret).update(said).digest()
    const cookie = new Uint8Array(COOKIE_BYTES)
    cookie.set(said.subarray(0, TIME_BYTES))
    cookie.set(proof.subarray(0, COOKIE_BYTES - TIME_BYTES), TIME_BYTES)
    return cookie
  }

  /** When the cookie was made; `undefined` if it is not ours, not for this sender, or too old. */
  check(cookie: Uint8Array, from: UdpEndpoint, key: Uint8Array, nowMs: number): number | undefined {
    const issuedMs = issuedAt(cookie)
    // One from the future was made before the clock was set back.
    if (issuedMs > nowMs || nowMs - issuedMs > COOKIE_MS_MAX) return undefined
    return timingSafeEqual(cookie, this.make(from, key, issuedMs)) ? issuedMs : undefined
  }
}

/** The time that a cookie claims. */
export function issuedAt(cookie: Uint8Array): number {
  const high = ((cookie[0] ?? 0) << 8) | (cookie[1] ?? 0)
  const low = new DataView(cookie.buffer, cookie.byteOffset).getUint32(2)
  return high * WORD + low
}
