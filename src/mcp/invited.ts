/**
 * What shows that a caller was invited to a blinded service, in `params._meta`: without it, the
 * service answers as one that is not there.
 *
 *   p2p-foundation/invited   `<seconds>.<mac>`: the time in whole seconds since 1970, and base64url
 *                            of HMAC-SHA-256(key, seconds ‖ 0 ‖ caller ‖ 0 ‖ callee ‖ 0 ‖ service),
 *                            where key is HMAC-SHA-256(secret, "p2p-foundation mcp invited 1")
 *
 * The caller is the peer at the other end of the connection, so nobody else can use the text again;
 * it is good for two minutes around its time.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Clock, TtlMap, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { isJsonObject, type Json, type JsonObject } from '../wire/index.ts'
import { decodeInvitation } from './invitation.ts'
import { servedNow } from './on-behalf.ts'
import { INVITED_META } from './protocol.ts'

const WINDOW_SECONDS = 120
const KEY_CONTEXT = utf8('p2p-foundation mcp invited 1')
const PROOF = /^([0-9]{1,12})\.([A-Za-z0-9_-]{43})$/
/** Invitations that a node remembers, for each peer that one names. */
const KEPT = { entriesMax: 256, ttlMs: 7 * 24 * 3_600_000 }

/** Who calls which service of whom. */
export interface InvitedCall {
  readonly caller: PeerId
  readonly callee: PeerId
  readonly service: string
}

/** The text that shows, now, that the caller knows the secret. */
export function proofOf(secret: Uint8Array, call: InvitedCall, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1_000)
  return `${seconds}.${Buffer.from(macOf(secret, call, seconds)).toString('base64url')}`
}

/** Whether a request shows it, in the name of this caller and not long ago. */
export function showsInvitation(
  meta: Json | undefined,
  secret: Uint8Array,
  { nowMs, ...call }: InvitedCall & { readonly nowMs: number },
): boolean {
  const shown = isJsonObject(meta) ? meta[INVITED_META] : undefined
  const parts = typeof shown === 'string' ? PROOF.exec(shown) : null
  const [, seconds = '', mac = ''] = parts ?? []
  if (parts === null || Math.abs(Number(seconds) - nowMs / 1_000) > WINDOW_SECONDS) return false
  const given = Uint8Array.from(Buffer.from(mac, 'base64url'))
  return timingSafeEqual(given, macOf(secret, call, Number(seconds)))
}

function macOf(secret: Uint8Array, call: InvitedCall, seconds: number): Uint8Array {
  const key = createHmac('sha256', secret).update(KEY_CONTEXT).digest()
  const text = [seconds, call.caller, call.callee, call.service].join('\0')
  return Uint8Array.from(createHmac('sha256', key).update(text).digest())
}

/** The invitations that this node was given, for calls of its own; they go when it stops. */
export class HeldInvitations {
  readonly #deps: { readonly self: PeerId; readonly clock: Clock }
  readonly #secrets: TtlMap<string, Uint8Array>

  constructor(deps: { readonly self: PeerId; readonly clock: Clock }) {
    this.#deps = deps
    this.#secrets = new TtlMap({ ...KEPT, clock: deps.clock })
  }

  /** Reads the text of an invitation and remembers it; throws where it is none. */
  learn(text: string): void {
    const { service, secret, peers } = decodeInvitation(text)
    for (const peer of peers) this.#secrets.set(`${peer}/${service}`, secret)
  }

  /** The part of `_meta` that shows it; a peer that is served is not lent what we were given. */
  metaFor({ peer, service }: { readonly peer: PeerId; readonly service: string }): JsonObject {
    const secret = this.#secrets.get(`${peer}/${service}`)
    if (secret === undefined || servedNow() !== undefined) return {}
    const { self, clock } = this.#deps
    const call = { caller: self, callee: peer, service }
    return { [INVITED_META]: proofOf(secret, call, clock.now()) }
  }
}
