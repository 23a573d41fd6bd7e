/**
 * Lines out of a stream of bytes, however it is cut. Sans I/O.
 *
 * A line that is too long is told once, when that is certain, and what follows of it is skipped
 * without being held; the next line is read as if nothing had been. Empty lines say nothing.
 */

import { Pieces } from '../wire/index.ts'

const LINE_FEED = 0x0a
const RETURN = 0x0d

/** A whole line without its end, or the news that one was too long. */
export type Line =
  | { readonly kind: 'line'; readonly bytes: Uint8Array }
  | { readonly kind: 'too-long'; readonly limit: number }

export class LineSplitter {
  readonly #bytesMax: number
  readonly #pieces = new Pieces()
  #isSkipping = false

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes of a line whose end has not come. */
  get pendingBytes(): number {
    return this.#pieces.size
  }

  /** Takes the next piece of the stream and gives the lines that it ends, in order. */
  *push(piece: Uint8Array): Generator<Line> {
    let rest = piece
    for (let end = rest.indexOf(LINE_FEED); end >= 0; end = rest.indexOf(LINE_FEED)) {
      yield* this.#add(rest.subarray(0, end))
      yield* this.#end()
      rest = rest.subarray(end + 1)
    }
    yield* this.#add(rest)
  }

  /** The stream is over: what had no line feed behind it is a line as well. */
  *end(): Generator<Line> {
    yield* this.#end()
  }

  *#add(bytes: Uint8Array): Generator<Line> {
    if (this.#isSkipping || bytes.length === 0) return
    const room = this.#bytesMax - this.#pieces.size
    if (bytes.length <= room) {
      this.#pieces.add(bytes, room)
      return
    }
    this.#isSkipping = true
    this.#pieces.clear()
    yield { kind: 'too-long', limit: this.#bytesMax }
  }

  *#end(): Generator<Line> {
    const wasSkipping = this.#isSkipping
    this.#isSkipping = false
    const whole = this.#pieces.take()
    const bytes = whole.at(-1) === RETURN ? whole.subarray(0, -1) : whole
    if (!wasSkipping && bytes.length > 0) yield { kind: 'line', bytes }
  }
}
