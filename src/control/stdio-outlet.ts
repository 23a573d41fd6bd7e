/**
 * Standard output of `p2p-node`: one JSON object a line, and a bound on what waits to be read.
 *
 * Answers wait for their reader, and while too much waits no further command is begun, so that a
 * caller who does not read is not listened to either. What happens by itself, such as messages and
 * log lines, waits for nobody: it is left out, counted, and told when there is room again.
 */

import { errorEvent } from './stdio-classes.ts'
import { StdioError } from './stdio-errors.ts'

const WAITING_MAX = 1_024
const WAITING_BYTES_MAX = 8_388_608

/** Where lines go: a stream that says when it has enough. */
export interface LineSink {
  /** What has been written waits; `onDrain` says when it does no more. */
  readonly isFull: boolean
  write(line: string): void
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

export class StdioOutlet {
  readonly #sink: LineSink
  readonly #waiting: string[] = []
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

  /** Hands on what happened by itself, or counts it as missed: whether it was handed on. */
  tell(event: Told): boolean {
    if (!this.isFull) {
      this.#push(event)
      return true
    }
    if (event.type === 'log') this.#logsMissed += 1
    else this.#missed += 1
    return false
  }

  /** Hands on an answer; resolves when the next may come. */
  async answer(event: Told): Promise<void> {
    this.#push(event)
    await this.room()
  }

  /** Resolves when no more waits than may. */
  async room(): Promise<void> {
    while (this.isFull) await this.#room.promise
  }

  #push(event: Told): void {
    const line = `${JSON.stringify(event, plain)}\n`
    this.#waiting.push(line)
    this.#waitingChars += line.length
    this.#flush()
  }

  #flush(): void {
    while (!this.#sink.isFull) {
      const line = this.#waiting.shift()
      if (line === undefined) {
        this.#tellMissed()
        break
      }
      this.#waitingChars -= line.length
      this.#sink.write(line)
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
