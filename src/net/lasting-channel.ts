/**
 * A channel that goes on over a new stream when one is lost.
 *
 * What is numbered, kept and confirmed is decided by `lasting-session.ts`, how a stream is used by
 * `lasting-line.ts`; here is who waits for what, and when a session is over.
 *
 *   attached ⇄ resuming → over (both ends taken, given up here or there, or not resumed in time)
 */

import { assert, either } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { ChannelConfig } from './config.ts'
import { NetError, reasonOf } from './errors.ts'
import type { CallOptions, Channel } from './host.ts'
import { type LastingChannel, type LastingDeps, SAYINGS } from './lasting.ts'
import { LastingAccount } from './lasting-account.ts'
import { checkFrame, type Position, type Reason, type Window } from './lasting-codec.ts'
import { LastingLine, type LineEnd } from './lasting-line.ts'
import { LastingSession } from './lasting-session.ts'
import { Turns, Waiters } from './lasting-waiters.ts'

const LINGER_MS = 10_000
/** Writers that may wait for room; a program that starts more does not look at what it is told. */
const WRITERS_MAX = 1_024

/** Either side of a session; who made it matters to `resume` only. */
export class OpenLastingChannel implements LastingChannel {
  readonly session: LastingSession
  readonly account: LastingAccount
  readonly #deps: LastingDeps
  readonly #config: ChannelConfig
  readonly #over = new AbortController()
  readonly #changes = new Waiters()
  readonly #writers = new Turns()
  #line: LastingLine | undefined
  #resuming: AbortController | undefined
  #failure: Error | undefined
  #reading = false
  #closing = false
  #isLingering = false

  constructor(deps: LastingDeps, config: ChannelConfig) {
    this.#deps = deps
    this.#config = config
    const { bufferFramesMax: frames, bufferBytesMax: bytes } = config
    this.session = new LastingSession({ frames, bytes })
    this.account = new LastingAccount(this.session, deps.keep)
  }

  get peer(): PeerId {
    return this.#deps.peer
  }

  get protocol(): string {
    return this.#deps.protocol
  }

  get state(): LastingChannel['state'] {
    if (this.#over.signal.aborted) return 'over'
    return this.#line === undefined ? 'resuming' : 'attached'
  }

  get unconfirmed(): number {
    return this.session.unconfirmed
  }

  get closed(): AbortSignal {
    return this.#over.signal
  }

  /** Goes on over `stream`; `greeting` is said first. An earlier stream must be let go before. */
  attach(
    stream: Channel,
    theirs: { readonly position: Position; readonly window: Window },
    greeting?: Uint8Array,
  ): void {
    const { session } = this
    const line = new LastingLine({
      ...{ stream, session, clock: this.#deps.clock, changes: this.#changes },
      progressed: () => this.#progress(),
      ended: (which, end) => this.#lineEnded(which, end),
    })
    this.#line = line
    try {
      session.attach(theirs.position, theirs.window)
    } catch (error) {
      this.#lineEnded(line, { how: 'broken', error })
      return
    }
    this.#resuming?.abort()
    this.#resuming = undefined
    line.start(greeting)
  }

  /** Lets go of the stream, if there is one, so that nothing more comes over it. */
  detach(): void {
    this.#line?.abandon('the channel goes on over another stream')
    this.#line = undefined
  }

  async read({ signal }: CallOptions = {}): Promise<Uint8Array | undefined> {
    assert(!this.#reading, 'a channel has one reader at a time')
    this.#reading = true
    try {
      for (;;) {
        signal?.throwIfAborted()
        const taken = this.session.take()
        if (taken !== undefined) this.#told()
        if (taken === 'end') return undefined
        if (taken !== undefined) return taken
        if (this.#failure !== undefined) throw this.#failure
        if (this.#over.signal.aborted) return undefined
        await this.#changes.next(signal)
      }
    } finally {
      this.#reading = false
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const frame = await this.read()
      if (frame === undefined) return
      yield frame
    }
  }

  async write(frame: Uint8Array, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    this.#checkWritable()
    checkFrame(frame)
    const { waiting } = this.#writers
    if (waiting >= WRITERS_MAX) throw this.#full(0)
    if (waiting === 0 && this.account.mayWrite(frame.length)) this.#keep(frame)
    else await this.#keepInTurn(frame, signal)
  }

  async confirmed({ signal }: CallOptions = {}): Promise<void> {
    const upTo = this.session.written
    while (this.session.confirmed < upTo) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#over.signal.aborted) return
      await this.#changes.next(signal)
    }
  }

  async close(options: CallOptions = {}): Promise<void> {
    if (this.#failure !== undefined) return
    if (!this.#closing) {
      this.#closing = true
      this.session.end()
      this.#progress()
      this.#changes.wake()
    }
    await this.confirmed(options)
    if (!this.#isLingering) void this.#linger()
  }

  /** What is on its way is confirmed first; a channel that failed has nothing left to say. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  abort(error: Error): void {
    void this.drop('abandoned', this.#lost(reasonOf(error), error))
  }

  /** Ends the session here and, where there is a stream, at the other side; resolves when said. */
  async drop(reason: Reason, failure?: Error): Promise<void> {
    await this.#finish(failure ?? this.#failureOf(reason), reason)
  }

  /** The network changed: a stream that is dead is noticed soon. */
  doubt(): void {
    this.#line?.doubt()
  }

  /** There is a better path: the session goes on over a new stream. */
  move(): void {
    this.#line?.leave('there is a better path')
  }

  #keep(frame: Uint8Array): void {
    this.session.write(frame)
    this.#changes.wake()
  }

  /** Waits for its turn, and then for room. */
  async #keepInTurn(frame: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const { writeTimeoutMs } = this.#config
    using deadline = this.#deps.clock.deadline(writeTimeoutMs, signal)
    try {
      await this.#writers.run(deadline.signal, async () => {
        for (;;) {
          this.#checkWritable()
          if (this.account.mayWrite(frame.length)) break
          await this.#changes.next(deadline.signal)
        }
        this.#keep(frame)
      })
    } catch (error) {
      signal?.throwIfAborted()
      throw deadline.signal.aborted ? this.#full(writeTimeoutMs) : error
    }
  }

  #checkWritable(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing || this.#over.signal.aborted) throw NetError.CHANNEL_CLOSED(this.#facts())
  }

  #lineEnded(line: LastingLine, end: LineEnd): void {
    if (this.#line !== line || this.#over.signal.aborted) return
    if (end.how === 'broken') {
      const reason = `the other side broke the protocol: ${reasonOf(end.error)}`
      return void this.drop('broken', this.#lost(reason, end.error))
    }
    this.#line = undefined
    if (end.how === 'dropped') void this.#finish(this.#failureOf(end.reason))
    else void this.#resume(end)
  }

  async #resume({ reason, isSilent }: LineEnd & { readonly how: 'lost' }): Promise<void> {
    const { log, clock, peer, protocol } = this.#deps
    const { resumeTimeoutMs } = this.#config
    log.debug('lasting channel lost its stream', { peer, protocol, reason })
    const resuming = new AbortController()
    this.#resuming = resuming
    using until = clock.deadline(resumeTimeoutMs, resuming.signal)
    using work = either(until.signal, this.#over.signal)
    try {
      await this.#deps.resume(work.signal, { isSilent })
    } catch (error) {
      if (this.#over.signal.aborted || resuming.signal.aborted) return
      const isLate = until.signal.aborted
      const none = `no connection came up for ${resumeTimeoutMs} ms, since ${reason}`
      // Only our end is not confirmed: what we said before has arrived.
      const isAll = this.#closing && this.session.unconfirmed === 0
      void this.#finish(isAll ? undefined : this.#lost(isLate ? none : reasonOf(error), error))
    }
  }

  #told(): void {
    this.account.settle()
    this.#line?.tell()
    this.#changes.wake()
  }

  #progress(): void {
    if (!this.account.settle()) return void this.drop('full')
    // Whoever closed and reads no more takes the other side's end, or nobody would.
    if (this.#closing && !this.#reading && this.session.unread === 0) this.session.take()
    if (this.session.isOver) void this.#finish(undefined)
  }

  /** After our end, the other side may go on as long as somebody here reads. */
  async #linger(): Promise<void> {
    this.#isLingering = true
    while (!this.#over.signal.aborted) {
      const before = this.session.position().taken
      await this.#deps.clock.sleep(LINGER_MS, this.#over.signal).catch(() => undefined)
      if (this.#reading || this.session.position().taken !== before) continue
      void this.drop('unread')
    }
  }

  async #finish(failure: Error | undefined, reason?: Reason): Promise<void> {
    if (this.#over.signal.aborted) return
    const line = this.#line
    this.#line = undefined
    this.#failure = failure
    this.#over.abort(failure ?? NetError.CHANNEL_CLOSED(this.#facts()))
    this.#resuming?.abort()
    this.#changes.wake()
    this.#deps.ended()
    await line?.finish(reason)
  }

  /** None where all that we ever said was taken, and we had nothing more to say. */
  #failureOf(reason: Reason): Error | undefined {
    const isDone = this.session.unconfirmed === 0 && (this.#closing || reason === 'unread')
    return isDone ? undefined : this.#lost(SAYINGS[reason])
  }

  #lost(reason: string, cause?: unknown): Error {
    const facts = { ...this.#facts(), unconfirmed: this.unconfirmed, reason }
    return NetError.CHANNEL_LOST(facts, cause)
  }

  #full(afterMs: number): Error {
    const { unconfirmed: frames, unconfirmedBytes: bytes } = this.session
    return NetError.CHANNEL_FULL({ ...this.#facts(), frames, bytes, afterMs })
  }

  #facts() {
    return { peer: this.#deps.peer, protocol: this.#deps.protocol }
  }
}
