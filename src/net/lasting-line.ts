/**
 * One stream under a lasting channel: says what the session has to say, hears what comes, and
 * gives the stream up when it falls silent. It ends once, and says how.
 */

import { type Clock, every } from '../base/index.ts'
import { NetError, reasonOf } from './errors.ts'
import type { Channel } from './host.ts'
import { decodeMessage, encodeMessage, type Reason } from './lasting-codec.ts'
import type { LastingSession } from './lasting-session.ts'
import type { Waiters } from './lasting-waiters.ts'

const BEAT_MS = 5_000
const SILENCE_MS = 15_000
const RECEIPT_DELAY_MS = 10

/** How a stream came to its end. */
export type LineEnd =
  | { readonly how: 'lost'; readonly reason: string; readonly isSilent: boolean }
  | { readonly how: 'dropped'; readonly reason: Reason }
  | { readonly how: 'broken'; readonly error: unknown }

export interface LineDeps {
  readonly stream: Channel
  readonly session: LastingSession
  readonly clock: Clock
  /** Woken when the session has something new to say, or something came. */
  readonly changes: Waiters
  /** Something came, or nothing is left to say for now. */
  readonly progressed: () => void
  readonly ended: (line: LastingLine, end: LineEnd) => void
}

export class LastingLine {
  readonly #deps: LineDeps
  readonly #over = new AbortController()
  #heardAtMs: number
  #saidAtMs = 0
  #isToldNow = false
  #hasReceiptTimer = false

  constructor(deps: LineDeps) {
    this.#deps = deps
    this.#heardAtMs = deps.clock.now()
  }

  /** Begins with `greeting`, if there is one. */
  start(greeting: Uint8Array | undefined): void {
    const { clock, stream } = this.#deps
    const { signal } = this.#over
    const parts = [
      this.#pump(greeting),
      this.#listen(),
      every(clock, BEAT_MS, () => this.#watch(), signal),
    ]
    for (const part of parts) part.catch((error: unknown) => this.#lose(reasonOf(error)))
    const gone = () => this.#lose('the stream ended')
    stream.closed.addEventListener('abort', gone, { once: true })
    signal.addEventListener('abort', () => stream.closed.removeEventListener('abort', gone))
    if (stream.closed.aborted) gone()
  }

  /** Tells of what was taken: at once, or soon when that is little. */
  tell(): void {
    const { clock, session, changes } = this.#deps
    if (session.receipt !== 'waits' || this.#hasReceiptTimer) return
    this.#hasReceiptTimer = true
    const now = () => {
      this.#hasReceiptTimer = false
      this.#isToldNow = true
      changes.wake()
    }
    clock.sleep(RECEIPT_DELAY_MS, this.#over.signal).then(now, () => undefined)
  }

  /** Asks for a sign of life, and waits for it no longer than a beat. */
  doubt(): void {
    const { clock, session } = this.#deps
    this.#heardAtMs = Math.min(this.#heardAtMs, clock.now() - SILENCE_MS + BEAT_MS)
    void this.#say(session.beat())
  }

  /** Gives the stream up for a better one, which the session then looks for. */
  leave(reason: string): void {
    this.#lose(reason)
  }

  /** Lets go of the stream without another word. */
  abandon(reason: string): void {
    if (!this.#stop()) return
    this.#deps.stream.abort(NetError.CONNECTION_DROPPED({ reason }))
  }

  /** Says goodbye, after `reason` if the session ends for one; what was said before arrives. */
  async finish(reason?: Reason): Promise<void> {
    if (!this.#stop()) return
    const { stream } = this.#deps
    try {
      if (reason !== undefined) await stream.write(encodeMessage({ kind: 'drop', reason }))
      await stream.close()
    } catch {
      // The stream is gone, and the other side learns it by itself.
    }
  }

  async #pump(greeting: Uint8Array | undefined): Promise<void> {
    const { session, changes, progressed } = this.#deps
    const { signal } = this.#over
    if (greeting !== undefined) await this.#say(greeting)
    while (!signal.aborted) {
      const message = session.next(this.#isToldNow)
      this.#isToldNow = false
      if (message !== undefined) {
        await this.#say(message)
        continue
      }
      progressed()
      await changes.next(signal)
    }
  }

  async #listen(): Promise<void> {
    const { stream, session, clock, changes, progressed } = this.#deps
    const { signal } = this.#over
    while (!signal.aborted) {
      const frame = await stream.read({ signal })
      if (this.#isOver()) return
      if (frame === undefined) {
        this.#lose('the other side ended the stream')
        return
      }
      this.#heardAtMs = clock.now()
      try {
        const message = decodeMessage(frame)
        if (message.kind === 'drop') {
          this.#end({ how: 'dropped', reason: message.reason })
          return
        }
        session.receive(message)
      } catch (error) {
        this.#deps.ended(this, { how: 'broken', error })
        return
      }
      progressed()
      changes.wake()
    }
  }

  #watch(): void {
    const { clock, session } = this.#deps
    if (clock.now() - this.#heardAtMs >= SILENCE_MS) {
      this.#lose(`nothing was heard for ${SILENCE_MS} ms`, true)
    } else if (clock.now() - this.#saidAtMs >= BEAT_MS) {
      void this.#say(session.beat())
    }
  }

  async #say(message: Uint8Array): Promise<void> {
    const { stream, clock } = this.#deps
    this.#saidAtMs = clock.now()
    try {
      await stream.write(message, { signal: this.#over.signal })
    } catch (error) {
      this.#lose(reasonOf(error))
    }
  }

  #lose(reason: string, isSilent = false): void {
    this.#end({ how: 'lost', reason, isSilent })
  }

  #end(end: LineEnd): void {
    if (!this.#stop()) return
    const reason = end.how === 'lost' ? end.reason : 'the channel is over'
    this.#deps.stream.abort(NetError.CONNECTION_DROPPED({ reason }))
    this.#deps.ended(this, end)
  }

  #isOver(): boolean {
    return this.#over.signal.aborted
  }

  /** Whether it was not over yet. */
  #stop(): boolean {
    if (this.#over.signal.aborted) return false
    this.#over.abort(NetError.CONNECTION_DROPPED({ reason: 'the stream is not used any more' }))
    return true
  }
}
