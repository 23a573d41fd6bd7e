/**
 * The body of an HTTP server's answer, of which one message may be longer than a frame: its result
 * is kept in the store as it comes, and what stands for it goes on in its place. A body of JSON is
 * one message; in an event stream each `data:` line is, as MCP's servers write them.
 */

import { indexOfByte, utf8 } from '../base/index.ts'
import { Pieces } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { LongLines, type OpenWriter } from './long-lines.ts'
import { FRAME_BYTES_MAX } from './protocol.ts'

const LINE_FEED = 0x0a
const SPACE = 0x20
const DATA = utf8('data:')
const END = utf8('\n')

/** A stream of what the SDK may hold: no message in it is longer than a frame. */
export function longBody(
  perLine: boolean,
  open: OpenWriter,
): TransformStream<Uint8Array, Uint8Array> {
  const body = new LongBody(perLine, open)
  return new TransformStream({
    async transform(chunk, controller) {
      for (const piece of await body.push(chunk)) controller.enqueue(piece)
    },
    async flush(controller) {
      for (const piece of await body.end()) controller.enqueue(piece)
    },
    cancel: () => body.close(),
  })
}

class LongBody {
  readonly #perLine: boolean
  readonly #lines: LongLines
  /** The line, or the body, that has not ended, while it may still be a frame. */
  readonly #held = new Pieces()
  #bytes = 0
  #isLong = false
  /** Of one event: several lines of data are one message to who reads them. */
  #event = 0

  constructor(perLine: boolean, open: OpenWriter) {
    this.#perLine = perLine
    this.#lines = new LongLines(open)
  }

  async push(chunk: Uint8Array): Promise<Uint8Array[]> {
    if (!this.#perLine) return this.#take(chunk)
    const out: Uint8Array[] = []
    for (let rest = chunk; rest.length > 0; ) {
      const end = indexOfByte(rest, LINE_FEED)
      out.push(...(await this.#take(end < 0 ? rest : rest.subarray(0, end))))
      if (end < 0) break
      out.push(...(await this.#endLine()), END)
      rest = rest.subarray(end + 1)
    }
    return out
  }

  async end(): Promise<Uint8Array[]> {
    const last = await this.#endLine()
    await this.close()
    return last
  }

  async close(): Promise<void> {
    this.#held.clear()
    await this.#lines.close()
  }

  /** Held until it is a frame or longer; from then on only its result is, in the store. */
  async #take(piece: Uint8Array): Promise<Uint8Array[]> {
    if (this.#isLong) return this.#lines.push(this.#asLine(piece))
    this.#bytes += piece.length
    if (this.#bytes <= FRAME_BYTES_MAX) {
      this.#held.add(piece, FRAME_BYTES_MAX - this.#held.size)
      return []
    }
    this.#isLong = true
    const whole = this.#held.take(piece)
    return this.#lines.push(this.#asLine(this.#perLine ? afterName(whole) : whole))
  }

  /** JSON may have line feeds between its parts, where a space says the same. */
  #asLine(piece: Uint8Array): Uint8Array {
    if (this.#perLine || indexOfByte(piece, LINE_FEED) < 0) return piece
    return piece.map((byte) => (byte === LINE_FEED ? SPACE : byte))
  }

  async #endLine(): Promise<Uint8Array[]> {
    const isLong = this.#isLong
    const line = isLong ? undefined : this.#held.take()
    const bytes = this.#bytes
    this.#bytes = 0
    this.#isLong = false
    if (line === undefined) {
      const frames = await this.#lines.push(END)
      return this.#perLine ? frames.flatMap((frame) => [DATA, frame]) : frames
    }
    this.#event = line.length === 0 || line[0] === 0x0d ? 0 : this.#event + bytes
    if (this.#event > FRAME_BYTES_MAX) {
      throw McpError.RESULT_TOO_LARGE({ size: this.#event, limit: FRAME_BYTES_MAX })
    }
    return [line]
  }
}

/** What follows `data:` and the one space that may stand behind it. */
function afterName(line: Uint8Array): Uint8Array {
  const isData = DATA.every((byte, at) => line[at] === byte)
  if (!isData) throw McpError.REQUEST_INVALID({ found: 'a long line that is no data of an event' })
  return line.subarray(line[DATA.length] === SPACE ? DATA.length + 1 : DATA.length)
}
