/**
 * Who may talk to a local listener at all.
 *
 * A page in the user's browser can send requests to a loopback port, and with DNS rebinding it can
 * even read the answers. Such a request names a foreign host or a foreign origin, so both are
 * checked before anything else; the token then keeps out other programs of the same machine.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { CodedError } from '../base/index.ts'
import { ControlError } from './errors.ts'

export interface GuardRules {
  readonly token: string
  /** Paths that answer without a token, compared byte by byte before any decoding. */
  readonly publicPaths: readonly string[]
}

/** Returns why `request` is refused, or `undefined` when it may go on. */
export type Guard = (request: IncomingMessage) => CodedError | undefined

export function createGuard(rules: GuardRules): Guard {
  return (request) => refusedHost(request) ?? refusedOrigin(request) ?? refusedToken(request, rules)
}

/** The names of this listener: loopback's, and the very address that the caller connected to. */
function ownHosts({ localAddress = '', localPort = 0 }: IncomingMessage['socket']): string[] {
  const address = localAddress.replace(/^::ffff:/, '').toLowerCase()
  const own = address.includes(':') ? `[${address}]` : address
  const names = new Set(['127.0.0.1', 'localhost', '[::1]', own])
  return [...names].map((name) => `${name}:${localPort}`)
}

function refusedHost({ headers, socket }: IncomingMessage): CodedError | undefined {
  const host = headers.host ?? ''
  const allowed = ownHosts(socket)
  if (allowed.includes(host.toLowerCase())) return undefined
  return ControlError.HOST_REFUSED({ host: host.slice(0, SHOWN_MAX), allowed })
}

function refusedOrigin({ headers, socket }: IncomingMessage): CodedError | undefined {
  const { origin } = headers
  if (origin === undefined) return undefined
  const allowed = ownHosts(socket).map((host) => `http://${host}`)
  if (allowed.includes(origin.toLowerCase())) return undefined
  return ControlError.ORIGIN_REFUSED({ origin: origin.slice(0, SHOWN_MAX) })
}

function refusedToken(request: IncomingMessage, rules: GuardRules): CodedError | undefined {
  const path = (request.url ?? '').split('?', 1)[0] ?? ''
  if (rules.publicPaths.includes(path)) return undefined
  return refusedBearer(request.headers.authorization, { path, token: rules.token })
}

/** Why these words of a caller do not let it in; `path` is what it asked for. */
export function refusedBearer(
  authorization: string | undefined,
  { path, token }: { readonly path: string; readonly token: string },
): CodedError | undefined {
  const shown = path.slice(0, SHOWN_MAX)
  const bearer = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1]
  if (bearer === undefined) return ControlError.TOKEN_MISSING({ path: shown })
  return sameText(bearer, token) ? undefined : ControlError.TOKEN_INVALID({ path: shown })
}

/** Digests have one length, so the comparison takes one time, whatever was sent. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

const SHOWN_MAX = 128
