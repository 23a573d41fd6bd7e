/**
 * Standard output of `p2p-node`: one JSON object a line, and a bound on what waits to be read.
 *
 * Answers wait for their reader, and while too much waits no further command is begun, so that a
 * caller who does not read is not listened to either. What happens by itself, such as log lines,
 * waits for nobody: it is left out, counted, and told when there is room again. What is kept
 * elsewhere, such as messages, is handed on one by one, when the one before was taken.
 */

import { race } from '../base/index.ts'
import { errorEvent } from './stdio-classes.ts'
import { StdioError } from './stdio-errors.ts'

const WAITING_MAX = 1_024
const WAITING_BYTES_MAX = 8_388_608

/** Where lines go: a stream that says when it has enough. */
export interface LineSink {
  /** What has been written waits; `onDrain` says when it does no more. */
  readonly isFull: boolean
  /** Calls `written` once the system has taken the line, which it may never do. */
  write(line: string, written?: () => void): void
  onDrain(flush: () => void): void
}

/** What a command was called by whoever sent it; comes back with the answer. */
export type Id = string | number | undefined

/** The id of an answer, where the question had one. */
export function answering(id: Id): { readonly id?: string | number } {
  return id === undefined ? {} : { id }
}

/** One line to be, by its type. */
export type Told = { readonly type: string; readonly [field: string]: unknown }

interface Waiting {
  readonly line: string
  readonly written: (() => void) | undefined
}

export class StdioOutlet {
  readonly #sink: LineSink
  readonly #waiting: Waiting[] = []
  #waitingChars = 0
  #missed = 0
  #logsMissed = 0
  #room = Promise.withResolvers<void>()

  constructor(sink: LineSink) {
    this.#sink = sink
    sink.onDrain(() => this.#flush())
  }

  /** More waits than may, so that no further command should be begun. */
  get isFull(): boolean {
    return this.#waiting.length >= WAITING_MAX || this.#waitingChars >= WAITING_BYTES_MAX
  }

  /** Hands on what happened by itself, or counts it as missed. */
  tell(event: Told): void {
    if (!this.isFull) this.#push(event)
    else if (event.type === 'log') this.#logsMissed += 1
    else this.#missed += 1
  }

  /** Hands on an answer; resolves when the next may come. */
  async answer(event: Told): Promise<void> {
    this.#push(event)
    await this.room()
  }

  /** Hands on what is kept until it is taken: resolves then; at an abort it is left out. */
  async hand(event: Told, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiting = this.#push(event, resolve)
    try {
      await race(promise, signal)
    } finally {
      this.#withdraw(waiting)
    }
  }

  /** Resolves when no more waits than may. */
  async room(): Promise<void> {
    while (this.isFull) await this.#room.promise
  }

  #push(event: Told, written?: () => void): Waiting {
    const line = `${JSON.stringify(event, plain)}\n`
    const waiting = { line, written }
    this.#waiting.push(waiting)
    this.#waitingChars += line.length
    this.#flush()
    return waiting
  }

  #withdraw(waiting: Waiting): void {
    const at = this.#waiting.indexOf(waiting)
    if (at < 0) return
    this.#waiting.splice(at, 1)
    this.#waitingChars -= waiting.line.length
  }

  #flush(): void {
    while (!this.#sink.isFull) {
      const next = this.#waiting.shift()
      if (next === undefined) {
        this.#tellMissed()
        break
      }
      this.#waitingChars -= next.line.length
      this.#sink.write(next.line, next.written)
    }
    if (this.isFull) return
    this.#room.resolve()
    this.#room = Promise.withResolvers()
  }

  #tellMissed(): void {
    if (this.#missed + this.#logsMissed === 0) return
    const facts = { missed: this.#missed, logs: this.#logsMissed }
    this.#missed = 0
    this.#logsMissed = 0
    this.#sink.write(`${JSON.stringify(errorEvent(StdioError.STDIO_EVENTS_LOST(facts)))}\n`)
  }
}

/** What JSON has no word for, as text: bytes in base64, a map as an object. */
function plain(_: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value)
  if (typeof value === 'bigint') return value.toString()
  return value
}
