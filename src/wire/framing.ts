/**
 * Frames out of a stream of bytes that may be cut anywhere, sans I/O.
 *
 *   varint   length as unsigned varint, then that many bytes (libp2p, kad-dht)
 *   line     bytes up to a line feed (JSON-RPC over streams); empty lines are passed over
 *
 * A frame that arrives in one piece is a view of it, so nobody may write into a piece afterwards.
 * Large pieces of a frame wait as they are and are copied once, when it is whole; small ones, and
 * those that would keep a much larger buffer alive, are copied into one that doubles as it fills.
 * So a frame costs time and memory in proportion to the bytes that came, however small the pieces
 * and whatever length was announced. A length is checked before a byte is kept.
 */

import { concatBytes } from '../base/index.ts'
import { WireError } from './errors.ts'
import { decodeVarint, encodeVarint, VARINT_BYTES_MAX } from './varint.ts'

/** Which of the two forms above a protocol uses. */
export type Framing = 'varint' | 'line'

const LINE_FEED = 0x0a
/** From here on a piece costs more to copy than to hold. */
const PIECE_BYTES_MIN = 16 * 1_024
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
  if (frame.includes(LINE_FEED)) {
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
  /** The frame so far: large pieces, then what `#kept` holds in its first `#keptSize` bytes. */
  #pieces: Uint8Array[] = []
  #kept = new Uint8Array()
  #keptSize = 0
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

  /** Bytes that the frame still wants whose length is known; 0 between frames and with `line`. */
  get missingBytes(): number {
    return this.#wanted === undefined ? 0 : this.#wanted - this.#size
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
    const head = concatBytes(this.#keptBytes(), rest.subarray(0, VARINT_BYTES_MAX))
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

  /** Puts `bytes` behind those kept, which never grow beyond `limit`. */
  #keep(bytes: Uint8Array, limit: number): void {
    const size = this.#size + bytes.length
    if (size > limit) throw tooLong(size, this.#bytesMax)
    if (bytes.length >= PIECE_BYTES_MIN && 2 * bytes.length >= bytes.buffer.byteLength) {
      this.#seal()
      this.#pieces.push(bytes)
    } else {
      this.#copy(bytes, limit - this.#size)
    }
    this.#size = size
  }

  /** Copies `bytes` into the buffer for small pieces, which has at most `room` bytes to come. */
  #copy(bytes: Uint8Array, room: number): void {
    const size = this.#keptSize + bytes.length
    if (size > this.#kept.length) {
      const most = this.#keptSize + room
      const larger = new Uint8Array(Math.max(size, Math.min(most, 2 * this.#kept.length)))
      larger.set(this.#keptBytes())
      this.#kept = larger
    }
    this.#kept.set(bytes, this.#keptSize)
    this.#keptSize = size
  }

  #keptBytes(): Uint8Array {
    return this.#kept.subarray(0, this.#keptSize)
  }

  /** What was copied becomes a piece among the others. */
  #seal(): void {
    if (this.#keptSize > 0) this.#pieces.push(this.#keptBytes())
    this.#kept = new Uint8Array()
    this.#keptSize = 0
  }

  /** The frame that ends with `last`. */
  #join(last: Uint8Array): Uint8Array {
    if (this.#size === 0) {
      if (last.length > this.#bytesMax) throw tooLong(last.length, this.#bytesMax)
      return last
    }
    const size = this.#size + last.length
    if (size > this.#bytesMax) throw tooLong(size, this.#bytesMax)
    if (this.#pieces.length > 0) {
      this.#seal()
      this.#pieces.push(last)
    } else {
      this.#copy(last, last.length)
    }
    const frame = this.#pieces.length > 0 ? concatBytes(...this.#pieces) : this.#keptBytes()
    this.#forget()
    return frame
  }

  #forget(): void {
    this.#pieces = []
    this.#kept = new Uint8Array()
    this.#keptSize = 0
    this.#size = 0
  }
}

function tooLong(size: number, limit: number) {
  return WireError.TOO_LONG({ field: 'frame', size, limit })
}
