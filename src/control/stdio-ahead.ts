/**
 * Lines that were read and are not begun: while there is no room for more commands, the end of the
 * input and `shutdown` are seen behind so many of them.
 */

import type { Line } from './stdio-lines.ts'

const LINES_MAX = 256
const BYTES_MAX = 1_048_576

export class LinesAhead {
  readonly #lines: Line[] = []
  #bytes = 0
  #isOver = false
  #changed = Promise.withResolvers<void>()

  /** Resolves when there is room for another. */
  async push(line: Line): Promise<void> {
    this.#lines.push(line)
    this.#bytes += bytesOf(line)
    this.#wake()
    while (this.#lines.length >= LINES_MAX || this.#bytes >= BYTES_MAX) await this.#changed.promise
  }

  /** No more will come. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  /** Each in its order, until all were given and no more will come. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Line> {
    for (;;) {
      const line = this.#lines.shift()
      if (line === undefined) {
        if (this.#isOver) return
        await this.#changed.promise
        continue
      }
      this.#bytes -= bytesOf(line)
      this.#wake()
      yield line
    }
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

function bytesOf(line: Line): number {
  return line.kind === 'line' ? line.bytes.length : 0
}
