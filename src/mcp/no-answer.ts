/** What a call that nobody answered has come to: what each who was asked said, seen together. */

import { type CodedError, hasCode } from '../base/index.ts'
import { McpError } from './errors.ts'
import type { Attempt } from './tool.ts'
import { isUngranted } from './verdict.ts'

/** What its caller alone can change. */
const OWN = ['MCP_TOOL_CHANGED', 'MCP_RELAY_OFF']

export interface Unanswered {
  readonly tool: string
  readonly attempts: readonly Attempt[]
}

/** What to throw: the one thing that all lacked, or that the tool is not to be had. */
export function noAnswer(failures: readonly unknown[], facts: Unanswered): CodedError {
  const [first] = failures
  if (first === undefined) return McpError.TOOL_UNAVAILABLE(facts)
  // Where the right to the call is all that was missing, that is what its caller must know.
  if (failures.every(isUngranted)) return ungranted(first as CodedError, facts)
  if (failures.every((failure) => hasCode(failure, ...OWN))) return first as CodedError
  return McpError.TOOL_UNAVAILABLE(facts, new AggregateError(failures))
}

function ungranted(failure: CodedError, { tool }: Unanswered): CodedError {
  if (!hasCode(failure, 'MCP_PEER_REFUSED')) return failure
  const facts = failure.facts as Parameters<typeof McpError.PEER_REFUSED>[0]
  return McpError.GRANT_REFUSED({ ...facts, tool }, failure)
}
