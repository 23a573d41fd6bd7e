/**
 * Frames out of a stream of bytes that may be cut anywhere, sans I/O.
 *
 *   varint   length as unsigned varint, then that many bytes (libp2p, kad-dht)
 *   line     bytes up to a line feed (JSON-RPC over streams); empty lines are passed over
 *
 * A frame that arrives in one piece is a view of it. Pieces of a frame are copied into one buffer
 * that doubles as it fills, so that a frame costs time and memory in proportion to the bytes that
 * came, however small the pieces and whatever length was announced. A length is checked before a
 * byte is kept.
 */

import { concatBytes } from '../base/index.ts'
import { WireError } from './errors.ts'
import { decodeVarint, encodeVarint, VARINT_BYTES_MAX } from './varint.ts'

/** Which of the two forms above a protocol uses. */
export type Framing = 'varint' | 'line'

const LINE_FEED = 0x0a

/** The bytes that carry `frame`. */
export function encodeFrame(framing: Framing, frame: Uint8Array, bytesMax: number): Uint8Array {
  if (frame.length > bytesMax) throw tooLong(frame.length, bytesMax)
  if (framing === 'varint') return concatBytes(encodeVarint(frame.length), frame)
  if (frame.includes(LINE_FEED)) {
    throw WireError.MALFORMED({ field: 'line', found: 'a line feed inside' })
  }
  return concatBytes(frame, Uint8Array.of(LINE_FEED))
}

/** Collects pieces and gives whole frames. After an error it gives nothing more. */
export class FrameSplitter {
  readonly #framing: Framing
  readonly #bytesMax: number
  #kept = new Uint8Array()
  #size = 0
  /** With `varint`: how long the frame is whose bytes we are collecting, and what said so. */
  #wanted: number | undefined
  #headBytes = 0
  #failure: { readonly error: unknown } | undefined

  constructor(framing: Framing, bytesMax: number) {
    this.#framing = framing
    this.#bytesMax = bytesMax
  }

  /** Bytes that wait for the rest of their frame, its length among them. */
  get pendingBytes(): number {
    return this.#headBytes + this.#size
  }

  /** Takes the next piece of the stream and returns the frames that it completes. */
  push(piece: Uint8Array): Uint8Array[] {
    if (this.#failure !== undefined) throw this.#failure.error
    try {
      return this.#framing === 'line' ? this.#pushLines(piece) : this.#pushCounted(piece)
    } catch (error) {
      this.#failure = { error }
      this.#forget()
      this.#headBytes = 0
      throw error
    }
  }

  #pushLines(piece: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    let rest = piece
    for (let end = rest.indexOf(LINE_FEED); end >= 0; end = rest.indexOf(LINE_FEED)) {
      const frame = this.#join(rest.subarray(0, end))
      if (frame.length > 0) frames.push(frame)
      rest = rest.subarray(end + 1)
    }
    this.#keep(rest, this.#bytesMax)
    return frames
  }

  #pushCounted(piece: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    let rest = piece
    for (;;) {
      if (this.#wanted === undefined) {
        const after = this.#readLength(rest)
        if (after === undefined) return frames
        rest = after
      }
      const wanted = this.#wanted ?? 0
      const need = wanted - this.#size
      if (rest.length < need) {
        this.#keep(rest, wanted)
        return frames
      }
      frames.push(this.#join(rest.subarray(0, need)))
      rest = rest.subarray(need)
      this.#wanted = undefined
      this.#headBytes = 0
    }
  }

  /** Sets the length wanted and returns what follows it; keeps `rest` while its end is missing. */
  #readLength(rest: Uint8Array): Uint8Array | undefined {
    const head = concatBytes(this.#kept.subarray(0, this.#size), rest.subarray(0, VARINT_BYTES_MAX))
    const length = decodeVarint(head)
    if (length === undefined) {
      this.#keep(rest, VARINT_BYTES_MAX)
      return undefined
    }
    if (length.value > this.#bytesMax) throw tooLong(length.value, this.#bytesMax)
    const after = rest.subarray(length.size - this.#size)
    this.#forget()
    this.#wanted = length.value
    this.#headBytes = length.size
    return after
  }

  /** Copies `bytes` behind those kept, in a buffer that never grows beyond `limit`. */
  #keep(bytes: Uint8Array, limit: number): void {
    const size = this.#size + bytes.length
    if (size > limit) throw tooLong(size, this.#bytesMax)
    if (size > this.#kept.length) {
      const room = Math.max(size, Math.min(limit, 2 * this.#kept.length))
      const larger = new Uint8Array(room)
      larger.set(this.#kept.subarray(0, this.#size))
      this.#kept = larger
    }
    this.#kept.set(bytes, this.#size)
    this.#size = size
  }

  /** The frame that ends with `last`. */
  #join(last: Uint8Array): Uint8Array {
    if (this.#size === 0) {
      if (last.length > this.#bytesMax) throw tooLong(last.length, this.#bytesMax)
      return last
    }
    this.#keep(last, this.#bytesMax)
    const frame = this.#kept.subarray(0, this.#size)
    this.#forget()
    return frame
  }

  #forget(): void {
    this.#kept = new Uint8Array()
    this.#size = 0
  }
}

function tooLong(size: number, limit: number) {
  return WireError.TOO_LONG({ field: 'frame', size, limit })
}
