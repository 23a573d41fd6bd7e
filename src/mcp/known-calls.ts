/** Calls that were made before: answered from the journal, in the tool's place. */

import type { StreamGate } from './gate.ts'
import type { OutcomeText } from './journal.ts'
import type { KeyedCalls } from './keyed-calls.ts'
import { answerFrame, type RpcId, type RpcMessage, refusalFrame } from './protocol.ts'

export interface KnownCallsDeps {
  readonly calls: Pick<KeyedCalls, 'take'>
  readonly gate: Pick<StreamGate, 'answered'>
  readonly send: (frame: Uint8Array) => Promise<void>
}

/** Whether the call was made before: it is then answered with what came of it. */
export function isAnsweredBefore(message: RpcMessage, deps: KnownCallsDeps): boolean {
  if (message.kind !== 'request') return false
  const { id } = message
  try {
    const known = deps.calls.take(message)
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
