/** The last lines of a process that may say anything, at any length, for ever. */

import { cleanText } from './clean-text.ts'

const LINES_MAX = 10
const LINE_BYTES_MAX = 1_000
const LINE_FEED = 0x0a

export class LastLines {
  readonly #tell: (line: string) => void
  readonly #lines: string[] = []
  #line: Uint8Array[] = []
  #size = 0

  constructor(tell: (line: string) => void) {
    this.#tell = tell
  }

  /** Oldest first. A line that is not finished counts. */
  get lines(): readonly string[] {
    return this.#size === 0 ? [...this.#lines] : [...this.#lines, this.#text()].slice(-LINES_MAX)
  }

  push(bytes: Uint8Array): void {
    let rest = bytes
    for (let end = rest.indexOf(LINE_FEED); end >= 0; end = rest.indexOf(LINE_FEED)) {
      this.#keep(rest.subarray(0, end))
      this.#finish()
      rest = rest.subarray(end + 1)
    }
    this.#keep(rest)
  }

  /** What is beyond the limit of a line is dropped. */
  #keep(bytes: Uint8Array): void {
    const kept = Uint8Array.from(bytes.subarray(0, LINE_BYTES_MAX - this.#size))
    if (kept.length === 0) return
    this.#line.push(kept)
    this.#size += kept.length
  }

  #finish(): void {
    if (this.#size === 0) return
    const line = this.#text()
    this.#line = []
    this.#size = 0
    this.#lines.push(line)
    if (this.#lines.length > LINES_MAX) this.#lines.shift()
    this.#tell(line)
  }

  #text(): string {
    return cleanText(Buffer.concat(this.#line).toString('utf8'), LINE_BYTES_MAX)
  }
}
