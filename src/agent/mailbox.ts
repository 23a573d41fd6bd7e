/**
 * When the mailboxes of this node are emptied: as soon as it has peers, some times more while it
 * comes into the network and learns who lies closest, after each change of the network, and from
 * then on every few minutes, for a sender may have failed to reach a node that was there.
 */

import {
  backoffMs,
  type Clock,
  type Logger,
  type Random,
  race,
  type Service,
} from '../base/index.ts'
import type { Collected, IncomingMail } from './incoming-mail.ts'

export interface MailboxDeps {
  readonly incoming: Pick<IncomingMail, 'collect'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** Pauses after a start or a change of the network; the last one repeats. */
const PAUSES_MS = [2_000, 10_000, 60_000, 300_000]
/** While nobody answers. */
const LONELY = { firstMs: 1_000, maxMs: 30_000 }
/** All keepers with all their pages; whoever is not through by then is asked again later. */
const COLLECT_MS = 120_000

/** Empties our mailboxes in rounds, for as long as the node runs. */
export class MailboxRounds implements Service {
  readonly name = 'mailbox'
  readonly #deps: MailboxDeps
  readonly #stopped = new AbortController()
  #nap = new AbortController()
  #round = 0
  #running: Promise<void> = Promise.resolve()
  #collecting: Promise<Collected> | undefined

  constructor(deps: MailboxDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#nap.abort()
    await this.#running
    await this.#collecting?.catch(() => undefined)
  }

  /** Begins anew: who is closest, and who can be reached, may be others now. */
  networkChanged(): void {
    this.#round = 0
    this.#nap.abort()
  }

  /** Asks now, or waits for the round that is under way. */
  async collect(signal?: AbortSignal): Promise<Collected> {
    this.#collecting ??= this.#collect().finally(() => {
      this.#collecting = undefined
    })
    return race(this.#collecting, signal)
  }

  async #collect(): Promise<Collected> {
    const { incoming, clock } = this.#deps
    using deadline = clock.deadline(COLLECT_MS, this.#stopped.signal)
    return await incoming.collect(deadline.signal)
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#deps
    let lonely = 0
    while (!this.#isStopped()) {
      this.#nap = new AbortController()
      const nap = this.#nap.signal
      let answered = 0
      try {
        const collected = await this.collect()
        answered = collected.answered
        if (collected.messages > 0) log.info('messages collected', { ...collected })
      } catch (error) {
        if (!this.#isStopped()) log.debug('mailboxes not read to their end', { error })
      }
      lonely = answered === 0 ? lonely + 1 : 0
      const pauseMs =
        answered === 0
          ? backoffMs(lonely - 1, LONELY, random)
          : (PAUSES_MS[this.#round] ?? PAUSES_MS.at(-1) ?? 0)
      if (answered > 0) this.#round = Math.min(this.#round + 1, PAUSES_MS.length)
      if (this.#isStopped()) return
      await clock.sleep(pauseMs, nap).catch(() => undefined)
    }
  }

  #isStopped(): boolean {
    return this.#stopped.signal.aborted
  }
}
