/**
 * Frames out of a stream of bytes that may be cut anywhere, sans I/O.
 *
 *   varint   length as unsigned varint, then that many bytes (libp2p, kad-dht)
 *   line     bytes up to a line feed (JSON-RPC over streams); empty lines are passed over
 *
 * Bytes are kept as they came and joined once, when the frame is whole, so a frame costs time in
 * proportion to its size however small the pieces. A length is checked before a byte is kept.
 */

import { concatBytes } from '../base/index.ts'
import { WireError } from './errors.ts'
import { decodeVarint, encodeVarint, VARINT_BYTES_MAX } from './varint.ts'

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
  #parts: Uint8Array[] = []
  #size = 0
  /** With `varint`: how long the frame is whose bytes we are collecting. */
  #wanted: number | undefined

  constructor(framing: Framing, bytesMax: number) {
    this.#framing = framing
    this.#bytesMax = bytesMax
  }

  /** Bytes that wait for the rest of their frame. */
  get pendingBytes(): number {
    return this.#size
  }

  /** Takes the next piece of the stream and returns the frames that it completes. */
  push(piece: Uint8Array): Uint8Array[] {
    return this.#framing === 'line' ? this.#pushLines(piece) : this.#pushCounted(piece)
  }

  #pushLines(piece: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    let rest = piece
    for (let end = rest.indexOf(LINE_FEED); end >= 0; end = rest.indexOf(LINE_FEED)) {
      this.#keep(rest.subarray(0, end))
      if (this.#size > 0) frames.push(this.#takeAll())
      rest = rest.subarray(end + 1)
    }
    this.#keep(rest)
    return frames
  }

  #pushCounted(piece: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    let rest = piece
    for (;;) {
      if (this.#wanted === undefined) {
        const head = concatBytes(...this.#parts, rest.subarray(0, VARINT_BYTES_MAX))
        const length = decodeVarint(head)
        if (length === undefined) {
          this.#keep(rest)
          return frames
        }
        if (length.value > this.#bytesMax) throw tooLong(length.value, this.#bytesMax)
        rest = rest.subarray(length.size - this.#size)
        this.#parts = []
        this.#size = 0
        this.#wanted = length.value
      }
      const need = this.#wanted - this.#size
      this.#keep(rest.subarray(0, need))
      if (rest.length < need) return frames
      rest = rest.subarray(need)
      frames.push(this.#takeAll())
      this.#wanted = undefined
    }
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    if (this.#size + bytes.length > this.#bytesMax + VARINT_BYTES_MAX) {
      throw tooLong(this.#size + bytes.length, this.#bytesMax)
    }
    this.#parts.push(bytes)
    this.#size += bytes.length
  }

  #takeAll(): Uint8Array {
    const frame = this.#parts.length === 1 ? this.#parts[0] : concatBytes(...this.#parts)
    this.#parts = []
    this.#size = 0
    if (frame === undefined) return new Uint8Array()
    if (frame.length > this.#bytesMax) throw tooLong(frame.length, this.#bytesMax)
    return frame
  }
}

function tooLong(size: number, limit: number) {
  return WireError.TOO_LONG({ field: 'frame', size, limit })
}
