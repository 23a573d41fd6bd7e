/**
 * One QUIC stream as libp2p's.
 *
 * The addon's own JavaScript reads 4 KiB at a time, goes on reading when the reader is behind (and
 * kills the stream at 4 MiB), and takes a broken connection for a goodbye. Here a read grows with
 * the traffic, a paused stream is not read, so that QUIC's flow control holds the sender back, and
 * only a FIN (RFC 9000 §2.4) is a goodbye. One write is with the addon, whose writes may overtake
 * each other; what comes meanwhile waits, up to 256 KiB, and goes as one.
 */

import type { AbortOptions } from '@libp2p/interface'
import { AbstractStream, type AbstractStreamInit, type SendResult } from '@libp2p/utils'
import { concatBytes, race } from '../base/index.ts'
import type { NativeStream } from './quic-addon.ts'

/** An idle stream waits with the least; each read that comes back full is followed by a larger. */
const READ_BYTES_MIN = 4 * 1_024
const READ_BYTES_MAX = 256 * 1_024
const WRITE_WINDOW_BYTES = 256 * 1_024
/** Beyond this a write of its own is cheaper than a copy. */
const JOINED_BYTES_MAX = 16 * 1_024

export class QuicStream extends AbstractStream {
  readonly #native: NativeStream
  #resumed = Promise.withResolvers<void>()
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #writing: Promise<void> | undefined
  /** Asked after bytes passed; there is a promise when the next must wait. */
  throttle: ((way: 'in' | 'out', bytes: number) => Promise<void> | undefined) | undefined

  constructor(native: NativeStream, init: AbstractStreamInit) {
    super(init)
    this.#native = native
    this.addEventListener('close', () => this.#resumed.resolve())
    void this.#receive()
  }

  override sendData(data: Parameters<AbstractStream['sendData']>[0]): SendResult {
    const sentBytes = data.byteLength
    for (const bytes of data) this.#waiting.push(bytes)
    this.#waitingBytes += sentBytes
    this.#writing ??= this.#write()
    return { sentBytes, canSendMore: this.#waitingBytes < WRITE_WINDOW_BYTES }
  }

  override sendReset(): void {
    this.#forgetUnsent()
    void Promise.allSettled([this.#native.resetWrite(), this.#native.stopRead()])
  }

  override async sendCloseWrite(options?: AbortOptions): Promise<void> {
    if (this.#writing !== undefined) await race(this.#writing, options?.signal)
    await this.#native.finishWrite()
  }

  /** Reading goes on, and what comes is dropped, so that the other side's FIN is seen. */
  override async sendCloseRead(): Promise<void> {}

  override sendPause(): void {}

  override sendResume(): void {
    this.#resumed.resolve()
  }

  /** Hands on what waits, and what comes to wait meanwhile. */
  async #write(): Promise<void> {
    try {
      while (this.#waitingBytes > 0) {
        const next = this.#nextWrite()
        const written = this.#native.write(next)
        if (this.writableNeedsDrain && this.#waitingBytes < WRITE_WINDOW_BYTES) {
          this.safeDispatchEvent('drain')
        }
        await written
        const paid = this.throttle?.('out', next.length)
        if (paid !== undefined) await paid
      }
    } catch {
      this.#lost()
    } finally {
      this.#writing = undefined
    }
  }

  /** What is large goes as it is; small pieces are copied together. */
  #nextWrite(): Uint8Array {
    let count = 0
    let size = 0
    for (const { length } of this.#waiting) {
      if (count > 0 && size + length > JOINED_BYTES_MAX) break
      count += 1
      size += length
    }
    const taken = this.#waiting.splice(0, count)
    this.#waitingBytes -= size
    const [only] = taken
    return taken.length === 1 && only !== undefined ? only : concatBytes(...taken)
  }

  #forgetUnsent(): void {
    this.#waiting = []
    this.#waitingBytes = 0
  }

  async #receive(): Promise<void> {
    let size = READ_BYTES_MIN
    try {
      for (;;) {
        if (this.readStatus === 'paused') await this.#whileHeld()
        const bytes = await this.#native.read(size)
        if (bytes === null) break
        if (bytes.length === size) size = Math.min(READ_BYTES_MAX, 4 * size)
        else if (bytes.length < size / 4) size = Math.max(READ_BYTES_MIN, size / 4)
        this.onData(bytes)
        const paid = this.throttle?.('in', bytes.length)
        if (paid !== undefined) await paid
      }
      this.onRemoteCloseWrite()
    } catch {
      this.#lost()
    }
  }

  /**
   * Each wait is a new one: what waits is delivered before `sendResume`, and a slow reader may have
   * paused us again over it; and a stream that is lost stays paused while something waits in it.
   */
  async #whileHeld(): Promise<void> {
    while (this.readStatus === 'paused') {
      this.#resumed = Promise.withResolvers()
      await this.#resumed.promise
    }
  }

  /** The other side reset the stream, or the connection is gone. */
  #lost(): void {
    this.#forgetUnsent()
    if (this.status === 'open' || this.status === 'closing') this.onRemoteReset()
  }
}
