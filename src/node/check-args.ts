/**
 * What a program hands to its node, checked before any of it is sent. Later it would be a failure
 * of the peer, or one whose outcome nobody knows, for a call that was never made.
 */

import { isJsonObject } from '../wire/index.ts'
import { UseError } from './use-errors.ts'

/** As long as a caller may wait anywhere (`TIMEOUT_MS_MAX` of `control/api.ts`). */
export const CALL_MS_MAX = 3_600_000

/** Throws `NODE_ARGUMENT_INVALID` for arguments that JSON cannot hold, and no time to wait. */
export function checkCall(args: unknown, { timeoutMs }: { readonly timeoutMs?: number }): void {
  if (!isJsonObject(args)) {
    const found = Array.isArray(args) ? 'a list' : args === null ? 'null' : typeof args
    throw invalid('arguments of a tool', found, 'an object with one field for each')
  }
  try {
    JSON.stringify(args)
  } catch (cause) {
    const [found = ''] = String(cause).split('\n', 1)
    throw invalid('arguments of a tool', found, 'what JSON can hold', cause)
  }
  // Written so that NaN is refused as well.
  if (timeoutMs === undefined || (timeoutMs >= 1 && timeoutMs <= CALL_MS_MAX)) return
  throw invalid('timeoutMs', String(timeoutMs), `a number from 1 to ${CALL_MS_MAX}`)
}

/** Throws `NODE_ARGUMENT_INVALID` for a record that is not bytes. */
export function checkBytes(value: unknown): void {
  if (value instanceof Uint8Array) return
  throw invalid('value of a record', typeof value, 'a Uint8Array, such as Buffer.from(text)')
}

function invalid(what: string, found: string, wanted: string, cause?: unknown) {
  return UseError.ARGUMENT_INVALID({ what, found, wanted }, cause)
}
