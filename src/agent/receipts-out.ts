/**
 * Receipts on their way back to senders who do not wait for them on a stream: tried once on every
 * way, and given up. A sender who gets none sends again, and what comes again is answered again.
 */

import { hasCode, type Logger, WorkQueue } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Mailbox } from './attempts.ts'
import type { AgentWays } from './ways.ts'

const QUEUE = { name: 'receipts of messages', concurrentMax: 16, waitingMax: 1_024 }

export interface ReceiptsOutDeps {
  readonly ways: Pick<AgentWays, 'deliver' | 'gossip'> & { readonly mailbox: Mailbox | null }
  readonly log: Logger
}

export class ReceiptsOut {
  readonly #deps: ReceiptsOutDeps
  readonly #queue = new WorkQueue(QUEUE)
  readonly #life = new AbortController()
  readonly #given = new WeakSet<Uint8Array>()
  readonly #sending = new Set<Promise<void>>()

  constructor(deps: ReceiptsOutDeps) {
    this.#deps = deps
  }

  /**
   * Begins to send a receipt; says nothing of what becomes of it. The one that several messages
   * share is given here for each of them, and goes once.
   */
  send(to: PeerId, receipt: Uint8Array): void {
    if (this.#life.signal.aborted || this.#given.has(receipt)) return
    this.#given.add(receipt)
    const sending = this.#queue
      .run(() => this.#onAllWays(to, receipt))
      .catch((error: unknown) => {
        const isBusy = hasCode(error, 'BASE_BUSY')
        this.#deps.log.debug('receipt not sent', { to, isBusy, error })
      })
      .finally(() => this.#sending.delete(sending))
    this.#sending.add(sending)
  }

  async stop(): Promise<void> {
    this.#life.abort()
    await Promise.all(this.#sending)
  }

  async #onAllWays(to: PeerId, receipt: Uint8Array): Promise<void> {
    const { ways } = this.#deps
    const { signal } = this.#life
    signal.throwIfAborted()
    try {
      await ways.deliver(to, receipt, signal)
      return
    } catch {
      signal.throwIfAborted()
    }
    const isTold = await ways.gossip({ bytes: receipt }, signal).catch(() => false)
    // That it was told says not that it came: it is left with others as well.
    if (ways.mailbox !== null) await ways.mailbox.store(to, receipt, { signal })
    else if (!isTold) this.#deps.log.debug('receipt reached nobody', { to })
  }
}
