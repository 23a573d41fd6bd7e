/** What is told of a call that was refused: which tool of which service, and with which code. */

import { CodedError } from '../base/index.ts'
import type { McpEvents } from './events.ts'
import { calledTool, type RpcMessage } from './protocol.ts'

const WHOLE = '*'

type Facts = Pick<McpEvents['callServed'], 'service' | 'reason'>

/** The tool, where the message calls one, and the facts; `service` is what the stream selected. */
export function refusedCall(
  message: RpcMessage,
  service: string | undefined,
  error: unknown,
): readonly [tool: string | undefined, facts: Facts] {
  const called = calledTool(message)
  const known: CodedError | undefined = error instanceof CodedError ? error : undefined
  const reason = known === undefined ? {} : { reason: known.code }
  // Whoever wants in without a grant is told of as well, whatever it asked first.
  const tool = called ?? (known?.code.startsWith('ACCESS_GRANT') ? WHOLE : undefined)
  return [tool, { service: service ?? servicePrefix(called) ?? null, ...reason }]
}

/** Of a tool as our own server lists it: `<service>_<tool>`. */
export function servicePrefix(tool: string | undefined): string | undefined {
  const at = tool?.indexOf('_') ?? -1
  return at > 0 ? tool?.slice(0, at) : undefined
}
