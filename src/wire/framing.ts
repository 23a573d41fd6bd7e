/**
 * Frames out of a stream of bytes that may be cut anywhere, sans I/O.
 *
 *   varint   length as unsigned varint, then that many bytes (libp2p, kad-dht)
 *   line     bytes up to a line feed (JSON-RPC over streams); empty lines are passed over
 *
 * A frame that arrives in one piece is a view of it, so nobody may write into a piece afterwards.
 * A frame costs time and memory in proportion to the bytes that came, however small the pieces
 * (`pieces.ts`) and whatever length was announced. A length is checked before a byte is kept.
 */

import { concatBytes, indexOfByte } from '../base/index.ts'
import { WireError } from './errors.ts'
import { Pieces } from './pieces.ts'
import { decodeVarint, encodeVarint, VARINT_BYTES_MAX } from './varint.ts'

/** Which of the two forms above a protocol uses. */
export type Framing = 'varint' | 'line'

const LINE_FEED = 0x0a
/** From here on a frame costs more to copy than to send in two writes. */
const PART_BYTES_MIN = 64 * 1_024

/** The bytes that carry `frame`. */
export function encodeFrame(framing: Framing, frame: Uint8Array, bytesMax: number): Uint8Array {
  const parts = frameParts(framing, frame, bytesMax)
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : concatBytes(...parts)
}

/** The bytes that carry `frame`, one part after the other; a large frame is itself a part. */
export function frameParts(framing: Framing, frame: Uint8Array, bytesMax: number): Uint8Array[] {
  if (frame.length > bytesMax) throw tooLong(frame.length, bytesMax)
  if (framing === 'varint') return parted(encodeVarint(frame.length), frame)
  if (indexOfByte(frame, LINE_FEED) >= 0) {
    throw WireError.MALFORMED({ field: 'line', found: 'a line feed inside' })
  }
  return parted(frame, Uint8Array.of(LINE_FEED))
}

/** Both as they are when a copy would cost more than a second write. */
function parted(first: Uint8Array, second: Uint8Array): Uint8Array[] {
  const isLarge = first.length + second.length > PART_BYTES_MIN
  return isLarge ? [first, second] : [concatBytes(first, second)]
}

/** Collects pieces and gives whole frames. After an error it gives nothing more. */
export class FrameSplitter {
  readonly #framing: Framing
  readonly #bytesMax: number
  /** The frame so far, or what came of its length. */
  readonly #pieces = new Pieces()
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
    return this.#headBytes + this.#pieces.size
  }

  /** Bytes that the frame still wants whose length is known; 0 between frames and with `line`. */
  get missingBytes(): number {
    return this.#wanted === undefined ? 0 : this.#wanted - this.#pieces.size
  }

  /** Takes the next piece of the stream and returns the frames that it completes. */
  push(piece: Uint8Array): Uint8Array[] {
    if (this.#failure !== undefined) throw this.#failure.error
    try {
      return this.#framing === 'line' ? this.#pushLines(piece) : this.#pushCounted(piece)
    } catch (error) {
      this.#failure = { error }
      this.#pieces.clear()
      this.#headBytes = 0
      throw error
    }
  }

  #pushLines(piece: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    let rest = piece
    for (let end = indexOfByte(rest, LINE_FEED); end >= 0; end = indexOfByte(rest, LINE_FEED)) {
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
      const need = wanted - this.#pieces.size
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
    const kept = this.#pieces.size
    const head = this.#pieces.take(rest.subarray(0, VARINT_BYTES_MAX))
    const length = decodeVarint(head)
    if (length === undefined) {
      this.#keep(head, VARINT_BYTES_MAX)
      return undefined
    }
    if (length.value > this.#bytesMax) throw tooLong(length.value, this.#bytesMax)
    const after = rest.subarray(length.size - kept)
    this.#wanted = length.value
    this.#headBytes = length.size
    return after
  }

  /** Puts `bytes` behind those kept, which never grow beyond `limit`. */
  #keep(bytes: Uint8Array, limit: number): void {
    const size = this.#pieces.size + bytes.length
    if (size > limit) throw tooLong(size, this.#bytesMax)
    this.#pieces.add(bytes, limit - this.#pieces.size)
  }

  /** The frame that ends with `last`. */
  #join(last: Uint8Array): Uint8Array {
    const size = this.#pieces.size + last.length
    if (size > this.#bytesMax) throw tooLong(size, this.#bytesMax)
    return this.#pieces.take(last)
  }
}

function tooLong(size: number, limit: number) {
  return WireError.TOO_LONG({ field: 'frame', size, limit })
}
