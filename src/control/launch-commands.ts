/** Commands that wait for their answer: matched by id, bounded, and told when none will come. */

import { type Clock, CodedError, race } from '../base/index.ts'
import { LaunchError } from './launch-errors.ts'
import type { LaunchEvent } from './shapes/launch/api.ts'

const WAITING_MAX = 1_024
/** A call of a tool may take this long; anything else answers at once. */
const ANSWER_MS = 600_000

/** One command of the protocol; the id is ours to give. */
export interface Command {
  readonly type: string
  readonly [field: string]: unknown
}

/** Whoever takes commands; false when it does not take this one. */
export interface CommandSink {
  write(command: object): boolean
}

interface Waiting {
  readonly command: string
  readonly answer: PromiseWithResolvers<LaunchEvent>
}

export class PendingCommands {
  readonly #agent: string
  readonly #clock: Clock
  readonly #waiting = new Map<string, Waiting>()
  #lastId = 0

  constructor(agent: string, clock: Clock) {
    this.#agent = agent
    this.#clock = clock
  }

  /** Resolves with the answer; rejects with the error that it is, or when none will come. */
  async ask(sink: CommandSink, command: Command, signal?: AbortSignal): Promise<LaunchEvent> {
    signal?.throwIfAborted()
    this.#lastId += 1
    const id = String(this.#lastId)
    const { size: waiting } = this.#waiting
    const busy = () => LaunchError.LAUNCH_BUSY({ agent: this.#agent, waiting })
    if (waiting >= WAITING_MAX) throw busy()
    const answer = Promise.withResolvers<LaunchEvent>()
    this.#waiting.set(id, { command: command.type, answer })
    using deadline = this.#clock.deadline(ANSWER_MS, signal)
    try {
      if (!sink.write({ ...command, id })) throw busy()
      const event = await race(answer.promise, deadline.signal)
      if (event.type === 'error') throw errorOf(event)
      return event
    } finally {
      this.#waiting.delete(id)
    }
  }

  /** Whether the event is the answer to a command of ours. */
  settle(event: LaunchEvent): boolean {
    // A search tells of each peer that it found, and then that it has ended.
    if (event.type === 'peer_discovered') return false
    const { id } = event
    const isId = typeof id === 'string' || typeof id === 'number'
    const waiting = isId ? this.#waiting.get(String(id)) : undefined
    waiting?.answer.resolve(event)
    return waiting !== undefined
  }

  /** Nobody will answer any more; `how` is a part of a sentence. */
  drop(how: string): void {
    for (const { command, answer } of this.#waiting.values()) {
      answer.reject(LaunchError.LAUNCH_OUTCOME_UNKNOWN({ agent: this.#agent, command, how }))
    }
    this.#waiting.clear()
  }
}

/** The error as the process raised it. */
function errorOf(event: Extract<LaunchEvent, { type: 'error' }>): CodedError {
  const { code, message, retryable = false, facts = {} } = event
  return new CodedError(code, facts, { says: () => message, retryable })
}
