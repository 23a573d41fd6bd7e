/** What a call says of itself in `params._meta`, besides what gives the right to it. */

import { correlationId } from '../base/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { CORRELATION_META, KEY_META, TIMEOUT_META } from './protocol.ts'

/** A peer allows as much unless it was configured otherwise. */
const USUAL_TIMEOUT_MS = 30_000

/** The id under which logs know the call, its time where that is long, and its key. */
export function callMeta(timeoutMs: number, key: string | undefined): JsonObject {
  const correlation = correlationId()
  return {
    ...(correlation === undefined ? {} : { [CORRELATION_META]: correlation }),
    ...(timeoutMs <= USUAL_TIMEOUT_MS ? {} : { [TIMEOUT_META]: Math.ceil(timeoutMs) }),
    ...(key === undefined ? {} : { [KEY_META]: key }),
  }
}
