/**
 * QUIC's streams as libp2p's, over the classes of the stock addon.
 *
 * The addon's own JavaScript reads 4 KiB at a time, goes on reading when the reader is behind (and
 * kills the stream at 4 MiB), and takes a broken connection for a goodbye. Here a read grows with
 * the traffic, a paused stream is not read, so that QUIC's flow control holds the sender back, and
 * only a FIN (RFC 9000 §2.4) is a goodbye.
 */

import type { MultiaddrConnection, StreamMuxerFactory } from '@libp2p/interface'
import {
  AbstractStream,
  type AbstractStreamInit,
  AbstractStreamMuxer,
  type SendResult,
} from '@libp2p/utils'
import { NetError, reasonOf } from './errors.ts'

/** The addon's stream (napi class `Stream`). */
export interface NativeStream {
  id(): string
  /** The next bytes, at most `max`; null after a FIN; rejects when the stream is gone. */
  read(max: number): Promise<Uint8Array | null>
  write(bytes: Uint8Array): Promise<void>
  finishWrite(): Promise<void>
  resetWrite(): Promise<void>
  stopRead(): Promise<void>
}

/** The addon's connection (napi class `Connection`). */
export interface NativeConnection {
  inboundStream(): Promise<NativeStream>
  outboundStream(): Promise<NativeStream>
  stats(): { readonly udpRxBytes: number; readonly udpTxBytes: number }
}

const READ_BYTES_MIN = 4 * 1_024
const READ_BYTES_MAX = 256 * 1_024

/** A muxer for one connection; libp2p asks for it once. */
export function quicMuxer(
  native: NativeConnection,
  connection: MultiaddrConnection,
  streamsMax: number,
): StreamMuxerFactory {
  const protocol = 'quic'
  return { protocol, createStreamMuxer: () => new QuicMuxer(native, connection, streamsMax) }
}

class QuicMuxer extends AbstractStreamMuxer<QuicStream> {
  readonly #native: NativeConnection
  readonly #streamsMax: number

  constructor(native: NativeConnection, connection: MultiaddrConnection, streamsMax: number) {
    super(connection, { protocol: 'quic', name: 'quic', maxEarlyStreams: streamsMax })
    this.#native = native
    this.#streamsMax = streamsMax
    void this.#accept(connection)
  }

  override async onCreateStream(): Promise<QuicStream> {
    const outbound = this.streams.filter(({ direction }) => direction === 'outbound').length
    if (outbound >= this.#streamsMax) {
      throw NetError.CONNECTION_DROPPED({ reason: `it has ${outbound} streams already` })
    }
    return this.#wrap(await this.#native.outboundStream(), 'outbound')
  }

  /** Nothing comes over the connection itself: QUIC has streams of its own. */
  override onData(): void {}

  async #accept(connection: MultiaddrConnection): Promise<void> {
    try {
      for (;;) {
        const stream = await this.#native.inboundStream()
        this.onRemoteStream(this.#wrap(stream, 'inbound'))
      }
    } catch (error) {
      // The loop ends with the connection, which this ends where it has not yet.
      connection.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
    }
  }

  #wrap(native: NativeStream, direction: 'inbound' | 'outbound'): QuicStream {
    const id = native.id()
    return new QuicStream(native, { id, direction, log: this.log.newScope(`${direction}:${id}`) })
  }
}

class QuicStream extends AbstractStream {
  readonly #native: NativeStream
  #resumed = Promise.withResolvers<void>()

  constructor(native: NativeStream, init: AbstractStreamInit) {
    super(init)
    this.#native = native
    this.addEventListener('close', () => this.#resumed.resolve())
    void this.#receive()
  }

  /** One write at a time: the drain event follows when the addon has taken the bytes. */
  override sendData(data: Parameters<AbstractStream['sendData']>[0]): SendResult {
    const sentBytes = data.byteLength
    this.#native.write(data.subarray()).then(
      () => this.safeDispatchEvent('drain'),
      () => this.#lost(),
    )
    return { sentBytes, canSendMore: false }
  }

  override sendReset(): void {
    void Promise.allSettled([this.#native.resetWrite(), this.#native.stopRead()])
  }

  override async sendCloseWrite(): Promise<void> {
    await this.#native.finishWrite()
  }

  /** Reading goes on, and what comes is dropped, so that the other side's FIN is seen. */
  override async sendCloseRead(): Promise<void> {}

  override sendPause(): void {
    this.#resumed = Promise.withResolvers()
  }

  override sendResume(): void {
    this.#resumed.resolve()
  }

  async #receive(): Promise<void> {
    let size = READ_BYTES_MIN
    try {
      for (;;) {
        if (this.readStatus === 'paused') await this.#resumed.promise
        const bytes = await this.#native.read(size)
        if (bytes === null) break
        if (bytes.length === size) size = Math.min(READ_BYTES_MAX, 4 * size)
        else if (bytes.length < size / 4) size = Math.max(READ_BYTES_MIN, size / 4)
        this.onData(bytes)
      }
      this.onRemoteCloseWrite()
    } catch {
      this.#lost()
    }
  }

  /** The other side reset the stream, or the connection is gone. */
  #lost(): void {
    if (this.status === 'open' || this.status === 'closing') this.onRemoteReset()
  }
}
