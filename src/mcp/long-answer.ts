/**
 * Reads a JSON-RPC message that is too long to be held, as it comes: finds its id, and which bytes
 * are its result. Sans I/O.
 *
 * Only the outermost level is understood: names of members, and where the value of each begins and
 * ends. Whether the value is JSON is for whoever reads it in the end.
 */

/** How long a name or an id may be that is looked at; longer ones are not ours. */
const NOTED_BYTES_MAX = 1_024

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN = new Set([0x5b, 0x7b])
const CLOSE = new Set([0x5d, 0x7d])

type At = 'start' | 'name' | 'value' | 'end'

export class LongAnswer {
  #at: At = 'start'
  #depth = 0
  #inText = false
  #isEscaped = false
  #noted: number[] = []
  #name = ''
  readonly #members = new Map<string, string>()

  /** The bytes of `piece` that belong to the result. */
  push(piece: Uint8Array): Uint8Array[] {
    const result: Uint8Array[] = []
    let from = this.#isInResult() ? 0 : -1
    for (let at = 0; at < piece.length; at += 1) {
      if (this.#inText) at = this.#skipText(piece, at)
      if (at >= piece.length) break
      const was = this.#isInResult()
      this.#take(piece[at] ?? 0)
      const is = this.#isInResult()
      if (is && !was) from = at + 1
      else if (was && !is) {
        result.push(piece.subarray(from, at))
        from = -1
      }
    }
    if (from >= 0 && from < piece.length) result.push(piece.subarray(from))
    return result
  }

  /** The value of `id` as JSON, once it was seen. */
  get id(): string | undefined {
    return this.#members.get('id')
  }

  /** Whether it has a result, and is a message as a whole. */
  get isAnswer(): boolean {
    return this.#at === 'end' && this.#members.has('result') && !this.#members.has('method')
  }

  #isInResult(): boolean {
    return this.#at === 'value' && this.#name === 'result'
  }

  /** To the quote or the escape that ends what needs no look, noting it where it is wanted. */
  #skipText(piece: Uint8Array, start: number): number {
    if (this.#at === 'name' || this.#depth === 1 || this.#isEscaped) return start
    for (let at = start; at < piece.length; at += 1) {
      const byte = piece[at]
      if (byte === QUOTE || byte === BACKSLASH) return at
    }
    return piece.length
  }

  #take(byte: number): void {
    if (this.#inText) {
      this.#note(byte)
      if (this.#isEscaped) this.#isEscaped = false
      else if (byte === BACKSLASH) this.#isEscaped = true
      else if (byte === QUOTE) this.#inText = false
      return
    }
    if (byte === QUOTE) {
      this.#inText = true
      this.#note(byte)
    } else if (OPEN.has(byte)) {
      this.#depth += 1
      if (this.#depth === 1 && this.#at === 'start') this.#at = 'name'
      else this.#note(byte)
    } else if (CLOSE.has(byte)) {
      this.#depth -= 1
      if (this.#depth === 0) this.#endMember('end')
      else this.#note(byte)
    } else if (this.#depth === 1 && byte === COLON && this.#at === 'name') {
      this.#name = this.#text().replaceAll('"', '')
      this.#noted = []
      this.#at = 'value'
    } else if (this.#depth === 1 && byte === COMMA) this.#endMember('name')
    else if (byte > 0x20) this.#note(byte)
  }

  #endMember(next: At): void {
    if (this.#at === 'value') this.#members.set(this.#name, this.#text())
    this.#noted = []
    this.#name = ''
    this.#at = next
  }

  #note(byte: number): void {
    if (this.#noted.length < NOTED_BYTES_MAX && !this.#isInResult()) this.#noted.push(byte)
  }

  #text(): string {
    return Buffer.from(this.#noted).toString()
  }
}
