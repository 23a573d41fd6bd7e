/** What an error on the way of a message means: that another try can help, another way, or none. */

import { CodedError } from '../base/index.ts'

/**
 * `refused` by the recipient, for good; `later` the same way may do; `reseal` with what is known of
 * the recipient now; `moved` it is no agent where it was; `elsewhere` this way does not lead to it.
 */
export type Verdict = 'refused' | 'later' | 'reseal' | 'moved' | 'elsewhere'

/** What a newer record of the recipient mends. */
const STALE = ['AGENT_PRE_KEY_GONE', 'AGENT_PRE_KEY_INVALID', 'AGENT_OTHER_RECIPIENT']
const REASON_CHARS_MAX = 512

/** What the answer of the recipient itself, or the lack of one, means. */
export function verdictOf(error: unknown): Verdict {
  if (!(error instanceof CodedError)) return 'elsewhere'
  const { code, facts, retryable } = error as CodedError
  const isRemote = (facts as { remote?: unknown } | null)?.remote === true
  if (!isRemote) return 'elsewhere'
  if (STALE.includes(code)) return 'reseal'
  if (code === 'RPC_METHOD_UNKNOWN') return 'moved'
  if (code === 'ACCESS_DENIED') return 'refused'
  if (code === 'ACCESS_QUOTA') return 'later'
  if (!code.startsWith('AGENT_')) return 'elsewhere'
  return retryable ? 'later' : 'refused'
}

/** Whether sealing can never work for this message, whatever the recipient publishes. */
export function isHopeless(error: unknown): boolean {
  if (!(error instanceof CodedError)) return false
  const { code, retryable } = error as CodedError
  return code.startsWith('AGENT_') && !retryable && !STALE.includes(code)
}

/** Text for a person; what a peer wrote in it is cut. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.slice(0, REASON_CHARS_MAX)
}
