/**
 * Keeps a process running: started again with pauses that grow when it ends by itself, and given
 * up after too many ends in a row, because a process that cannot run is not helped by trying.
 */

import { backoffMs, type Clock, hasCode, type Random } from '../base/index.ts'
import { type Command, PendingCommands } from './launch-commands.ts'
import { LaunchError } from './launch-errors.ts'
import { type LaunchCommand, LaunchProcess, type Spawn } from './launch-process.ts'
import type { LaunchEvent } from './shapes/launch/api.ts'

const START_MS = 60_000
const BACKOFF = { firstMs: 500, maxMs: 30_000 }
/** A run as long as this is no part of a row of failures. */
const STABLE_MS = 60_000

/** Failures of a command that are no answer of the process. */
const NO_ANSWER = [
  'BASE_DEADLINE',
  'CONTROL_LAUNCH_BUSY',
  'CONTROL_LAUNCH_OUTCOME_UNKNOWN',
] as const

/** Hands a command to a process and resolves with its answer. */
export type Ask = (command: Command) => Promise<LaunchEvent>

/** What the process does at the moment. */
export type LaunchState = 'stopped' | 'starting' | 'running' | 'restarting' | 'failed'

export interface LaunchKeeperDeps {
  readonly agent: string
  readonly command: LaunchCommand
  /** Hex digits that no error may repeat. */
  readonly secret: string
  readonly clock: Clock
  readonly random: Random
  readonly spawn: Spawn
  readonly restartsMax: number
  /** Whatever is no answer. */
  readonly onevent: (event: LaunchEvent) => void
  /** It ended by itself; null where it is given up. */
  readonly onexit: (how: string, restartInMs: number | null) => void
  /** What is said to a process that was started again, before anybody else may. */
  readonly again: (ask: Ask) => Promise<void>
}

export class LaunchKeeper {
  readonly #deps: LaunchKeeperDeps
  readonly #pending: PendingCommands
  readonly #stopping = new AbortController()
  #process: LaunchProcess | undefined
  #state: LaunchState = 'stopped'
  #failures = 0

  constructor(deps: LaunchKeeperDeps) {
    this.#deps = deps
    this.#pending = new PendingCommands(deps.agent, deps.clock)
  }

  get state(): LaunchState {
    return this.#state
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Resolves once the process answers. A first start that fails is not repeated. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#state = 'starting'
    try {
      const process = await this.#run(signal)
      this.#state = 'running'
      void this.#watch(process)
    } catch (error) {
      this.#state = 'failed'
      throw error
    }
  }

  /** Hands one command to the process and resolves with what it answers. */
  async command(command: Command, signal?: AbortSignal): Promise<LaunchEvent> {
    if (this.#state !== 'running' || this.#process === undefined) {
      const { agent } = this.#deps
      throw LaunchError.LAUNCH_NOT_RUNNING({ agent, wanted: command.type, state: this.#state })
    }
    return this.#pending.ask(this.#process, command, signal)
  }

  /** Ends the process and all waiting; it cannot be started again. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#state = 'stopped'
    await this.#process?.end()
  }

  /** One run, up to its first answer, whatever that says: then it reads what it is told. */
  async #run(signal: AbortSignal | undefined): Promise<LaunchProcess> {
    const { agent, clock, command, secret, spawn } = this.#deps
    const onevent = (event: LaunchEvent) => this.#hear(event)
    const process = new LaunchProcess(command, { clock, spawn, secret, onevent })
    this.#process = process
    void process.exited.then(({ how }) => this.#pending.drop(how))
    using deadline = clock.deadline(START_MS, signal)
    try {
      await this.#pending.ask(process, { v: 2, type: 'health' }, deadline.signal)
    } catch (cause) {
      if (!hasCode(cause, ...NO_ANSWER) && signal?.aborted !== true) return process
      const { how } = await process.end()
      signal?.throwIfAborted()
      const reason = hasCode(cause, 'BASE_DEADLINE') ? `no answer in ${START_MS} ms` : how
      throw LaunchError.LAUNCH_FAILED({ agent, reason, lastWords: process.lastWords }, cause)
    }
    return process
  }

  #hear(event: LaunchEvent): void {
    const isAnswer = this.#pending.settle(event)
    // That the node is ready is news for everybody, whoever asked for it.
    if (!isAnswer || event.type === 'ready') this.#deps.onevent(event)
  }

  /** Until it is stopped or given up: waits for the end of a run, and starts the next. */
  async #watch(first: LaunchProcess): Promise<void> {
    const { clock, onexit } = this.#deps
    const { signal } = this.#stopping
    let process: LaunchProcess | undefined = first
    let startedAtMs = clock.now()
    let reason = ''
    for (;;) {
      if (process !== undefined) reason = (await process.exited).how
      if (signal.aborted) return
      const pauseMs = this.#pause(process === undefined ? 0 : clock.now() - startedAtMs)
      onexit(reason, pauseMs)
      if (pauseMs === null) return
      try {
        await clock.sleep(pauseMs, signal)
        startedAtMs = clock.now()
        process = await this.#rerun(signal)
      } catch (error) {
        process = undefined
        reason = error instanceof Error ? error.message : String(error)
      }
    }
  }

  /** A run that has joined again what the one before had joined, or nothing of it. */
  async #rerun(signal: AbortSignal): Promise<LaunchProcess> {
    const process = await this.#run(signal)
    try {
      await this.#deps.again((command) => this.#pending.ask(process, command, signal))
    } catch (error) {
      await process.end()
      throw error
    }
    if (!signal.aborted) this.#state = 'running'
    return process
  }

  /** How long to wait before the next run; null where there is to be none. */
  #pause(ranMs: number): number | null {
    const { random, restartsMax } = this.#deps
    if (ranMs >= STABLE_MS) this.#failures = 0
    this.#state = this.#failures < restartsMax ? 'restarting' : 'failed'
    if (this.#state === 'failed') return null
    this.#failures += 1
    return backoffMs(this.#failures - 1, BACKOFF, random)
  }
}
