/**
 * What a failed try says about trying elsewhere. Pure.
 *
 * `unsent`  the tool cannot have run: another peer may be tried, whatever the tool
 * `silent`  it may have run: another peer only if running twice is the same as running once
 * `final`   an answer, which every other peer would give as well
 */

import { CodedError } from '../base/index.ts'

export type Verdict = 'unsent' | 'silent' | 'final'

/** Refusals that are made before anything is handed to the tool, here or at a peer. */
const BEFORE_THE_TOOL = new Set([
  'BASE_BUSY',
  'MCP_BUSY',
  'MCP_CALL_NEVER_RAN',
  'MCP_JOURNAL_FAILED',
  'MCP_REQUEST_INVALID',
  'MCP_SERVICE_NOT_READY',
  'MCP_SERVICE_START_FAILED',
  'MCP_SERVICE_UNKNOWN',
  'MCP_SESSIONS_FULL',
  'MCP_TOOL_CHANGED',
])
const SAME_EVERYWHERE = new Set([
  'MCP_KEY_REUSED',
  'MCP_RELAYED_TOO_LARGE',
  'MCP_RESULT_NOT_KEPT',
  'MCP_RESULT_LOST',
  'MCP_RESULT_STORE_FAILED',
  'MCP_RESULT_TOO_LARGE',
  'MCP_RESULT_UNSENT',
  'MCP_TOOL_ERROR',
])

/** What went wrong once the tool had answered: whatever it is, the answer was given. */
const AFTER_THE_ANSWER = new WeakSet<Error>()

/** What reads an answer that came: its failure is final, unless `signal` cut it short. */
export async function afterTheAnswer<T>(reading: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof Error && !signal.aborted) AFTER_THE_ANSWER.add(error)
    throw error
  }
}

/** Whether a refusal of this code says that the tool did not run. */
export function ranNever(code: string | undefined): boolean {
  return code !== undefined && (code.startsWith('ACCESS_') || BEFORE_THE_TOOL.has(code))
}

/** Whether a peer, or this node, refused the call for want of a grant. */
export function isUngranted(error: unknown): boolean {
  return codeOf(error).startsWith('ACCESS_GRANT')
}

export function judge(error: unknown): Verdict {
  if (error instanceof Error && AFTER_THE_ANSWER.has(error)) return 'final'
  if (!(error instanceof CodedError)) return 'silent'
  const { sent } = error.facts as { sent?: unknown }
  if (typeof sent === 'boolean') return sent ? 'silent' : 'unsent'
  const code = codeOf(error)
  if (SAME_EVERYWHERE.has(code)) return 'final'
  // What `net` says is about opening a stream; `session.ts` turns what breaks later into `sent`.
  if (/^(?:ACCESS|NET)_/.test(code) || BEFORE_THE_TOOL.has(code)) return 'unsent'
  return 'silent'
}

/** The code that explains most: of a refusal, the one that the peer gave. */
export function codeOf(error: unknown): string {
  if (!(error instanceof CodedError)) return 'MCP_INTERNAL'
  const { code, facts } = error as { code: string; facts: { code?: unknown } }
  return code === 'MCP_PEER_REFUSED' && typeof facts.code === 'string' ? facts.code : code
}

/** Under which name a call that failed is counted. */
export function outcomeOf(error: unknown): string {
  if (!(error instanceof CodedError)) return 'failed'
  if (error.code === 'MCP_TOOL_ERROR') return 'error'
  return error.code === 'MCP_PEER_REFUSED' ? 'refused' : 'failed'
}
