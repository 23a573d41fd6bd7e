/**
 * What became of a call whose peer fell silent: asked again and again, as long as the call has time
 * and the peer may come back.
 */

import {
  backoffMs,
  type Clock,
  CodedError,
  hasCode,
  type Logger,
  type Random,
} from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import type { McpConfig } from './config.ts'
import { askOutcome, HOLD_MS, type Question } from './outcome.ts'
import type { ReadOptions } from './result-reader.ts'
import type { ToolResult } from './tool.ts'
import { codeOf } from './verdict.ts'

/** A question that is not answered by then is asked anew: the path may be gone. */
const TRY_MS = HOLD_MS + 2_000
const BACKOFF = { firstMs: 100, maxMs: 1_000 }

export interface OutcomesDeps {
  readonly host: Pick<Host, 'open'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly network: string
}

export type OutcomesConfig = Pick<McpConfig, 'outcomeWaitMs'>

/** What the peer knows: a result, that the tool never ran, or nothing; with the last code heard. */
export type Settled =
  | { readonly kind: 'ran'; readonly result: ToolResult }
  | { readonly kind: 'never' }
  | { readonly kind: 'unknown'; readonly code: string }

/** Asks what became of a call; a result that is kept because it is long goes to `onlarge`. */
export interface Settles {
  settle(
    peer: PeerId,
    question: Question & Pick<ReadOptions, 'onlarge'>,
    signal: AbortSignal,
  ): Promise<Settled>
}

export class Outcomes {
  readonly #deps: OutcomesDeps
  readonly #config: OutcomesConfig

  constructor(deps: OutcomesDeps, config: OutcomesConfig) {
    this.#deps = deps
    this.#config = config
  }

  /** Throws what the tool itself answered, if that was an error. Ends with `signal` at last. */
  async settle(peer: PeerId, question: Question, signal: AbortSignal): Promise<Settled> {
    const { clock, random, log } = this.#deps
    const { outcomeWaitMs } = this.#config
    let code = 'MCP_PEER_FAILED'
    let heardMs = clock.now()
    for (let tries = 0; !signal.aborted; tries += 1) {
      const leftMs = heardMs + outcomeWaitMs - clock.now()
      if (leftMs <= 0) break
      try {
        return { kind: 'ran', result: await this.#ask(peer, question, { signal, leftMs }) }
      } catch (error) {
        code = codeOf(error)
        log.debug('peer asked for an outcome', { peer, tool: question.tool, code, error })
        if (code === 'MCP_CALL_NEVER_RAN') return { kind: 'never' }
        if (code === 'MCP_CALL_RUNNING') heardMs = clock.now()
        else if (isFinal(error)) throw error
        else if (code === 'MCP_CALL_LOST') break
      }
      await clock.sleep(backoffMs(Math.min(tries, 5), BACKOFF, random), signal).catch(() => {})
    }
    return { kind: 'unknown', code }
  }

  async #ask(
    peer: PeerId,
    question: Question,
    { signal, leftMs }: { readonly signal: AbortSignal; readonly leftMs: number },
  ): Promise<ToolResult> {
    using deadline = this.#deps.clock.deadline(Math.min(TRY_MS, leftMs), signal)
    return await askOutcome(peer, question, this.#deps, deadline.signal)
  }
}

/** What the tool said, or what its peer says of it, is the answer to the call. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof CodedError)) return false
  return hasCode(error, 'MCP_TOOL_ERROR') || codeOf(error) === 'MCP_RESULT_NOT_KEPT'
}
