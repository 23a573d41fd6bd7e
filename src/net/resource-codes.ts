/**
 * What the other side is told when we turn it away, and what it tells us: libp2p's error codes, as
 * go-libp2p has them, in the frames of yamux that end a stream or a connection. QUIC's native part
 * can send none.
 */

import { NetError } from './errors.ts'
import type { Shortage } from './resource-scopes.ts'

/** Why we end something, as far as it has a code. */
export type Reason = 'exhausted' | 'rate' | 'collected'

const CONNECTION_CODES: Readonly<Record<Reason, number>> = {
  exhausted: 0x1001,
  rate: 0x1002,
  collected: 0x1005,
}

const STREAM_CODES: Readonly<Record<Reason, number>> = {
  exhausted: 0x1002,
  rate: 0x1003,
  collected: 0x1006,
}

const SAID: Readonly<Record<Reason, string>> = {
  exhausted: 'it is at the limit of what it may use; try again later',
  rate: 'we come too often; try again later',
  collected: 'it made room for others; try again later',
}

/** The code with which a connection ends. */
export function connectionCode(reason: Reason): number {
  return CONNECTION_CODES[reason]
}

/** The code with which a stream ends. */
export function streamCode(reason: Reason): number {
  return STREAM_CODES[reason]
}

/** Why the other side ended a connection, when it said so. */
export function connectionReason(code: number): string | undefined {
  return said(CONNECTION_CODES, code)
}

/** Why the other side ended a stream, when it said so. */
export function streamReason(code: number): string | undefined {
  return said(STREAM_CODES, code)
}

/** What we say of ourselves, in logs and to whoever asked us. */
export function exhausted(shortage: Shortage) {
  return NetError.EXHAUSTED({ ...shortage })
}

function said(codes: Readonly<Record<Reason, number>>, code: number): string | undefined {
  const found = Object.entries(codes).find(([, known]) => known === code)?.[0]
  return found === undefined ? undefined : SAID[found as Reason]
}
