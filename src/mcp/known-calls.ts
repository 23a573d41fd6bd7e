/** Calls that do not reach their tool: known from the journal, or more than their grant allows. */

import type { StreamExposure } from './exposure-stream.ts'
import type { StreamGate } from './gate.ts'
import type { OutcomeText } from './journal.ts'
import type { KeyedCalls } from './keyed-calls.ts'
import {
  answerFrame,
  calledTool,
  type RpcId,
  type RpcMessage,
  refusalFrame,
  rpcError,
} from './protocol.ts'
import { refusedCall } from './refused-call.ts'

export interface KnownCallsDeps {
  readonly calls?: Pick<KeyedCalls, 'take' | 'answered'> | undefined
  readonly exposure?: Pick<StreamExposure, 'handOn'> | undefined
  readonly gate: Pick<StreamGate, 'answered' | 'calls' | 'refuse'>
  /** What the stream selected. */
  readonly service: string | undefined
  readonly send: (frame: Uint8Array) => Promise<void>
}

/**
 * Whether the message goes on to what serves the stream. A call that was made before is answered
 * with what came of it, and costs its grant nothing; any other is counted here, and not before:
 * what waited for a place in vain, or was given up meanwhile, never ran.
 */
export function isHandedOn(message: RpcMessage, deps: KnownCallsDeps): boolean {
  if (message.kind !== 'request') return true
  if (isAnsweredBefore(message, deps)) return false
  try {
    const right = deps.exposure?.handOn(message)
    const tool = calledTool(message)
    if (tool !== undefined) deps.gate.calls(message.id, tool, right)
    return true
  } catch (error) {
    // The journal has it as begun: it is told that the call never ran.
    deps.calls?.answered(message.id, { error: rpcError(error) }, 0)
    deps.gate.refuse(message.id, ...refusedCall(message, deps.service, error))
    void deps.send(refusalFrame(message.id, error)).catch(() => {})
    return false
  }
}

function isAnsweredBefore(
  message: RpcMessage & { readonly kind: 'request' },
  deps: KnownCallsDeps,
): boolean {
  const { id } = message
  try {
    const known = deps.calls?.take(message)
    if (known === undefined) return false
    void answer(id, known, deps)
  } catch (error) {
    void turnAway(id, error, deps)
  }
  return true
}

async function answer(
  id: RpcId,
  outcome: Promise<OutcomeText>,
  deps: KnownCallsDeps,
): Promise<void> {
  try {
    const text = await outcome
    if (deps.gate.answered(id, hasFailed(text))) await deps.send(answerFrame(id, text))
  } catch (error) {
    await turnAway(id, error, deps)
  }
}

async function turnAway(id: RpcId, error: unknown, { gate, send }: KnownCallsDeps): Promise<void> {
  if (gate.answered(id, true)) await send(refusalFrame(id, error)).catch(() => {})
}

/** What is kept begins with which of the two it is (`keyed-calls.ts`). */
function hasFailed(text: OutcomeText): boolean {
  return text.startsWith('{"error":')
}
