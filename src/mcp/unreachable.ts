/** Whether a failure says that there is no path to a peer, and nothing else. Pure. */

import { CodedError } from '../base/index.ts'

/** No path; or none within the time that reaching a peer may take. */
const NO_PATH = new Set([
  'NET_CONNECT_FAILED',
  'NET_NAME_UNRESOLVED',
  'NET_RELAY_REFUSED',
  'BASE_DEADLINE',
])
/** A peer that we refuse is not asked through others either. */
const REFUSED = 'ACCESS_DENIED'
const DEPTH_MAX = 8

/** Of an error and what it was caused by; what may have been sent is no such failure. */
export function isUnreachable(error: unknown): boolean {
  let found = false
  let each = error
  for (let depth = 0; depth < DEPTH_MAX && each instanceof Error; depth += 1) {
    if (each instanceof CodedError) {
      const { code, facts } = each as CodedError
      if ((facts as { readonly sent?: unknown } | undefined)?.sent === true) return false
      if (code === REFUSED) return false
      found ||= NO_PATH.has(code)
    }
    each = each.cause
  }
  return found
}
