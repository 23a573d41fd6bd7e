/**
 * QUIC's streams on one connection as libp2p's muxer. The connection lives as long as its native
 * part gives out streams, and nothing else watches for its end.
 */

import type { MultiaddrConnection } from '@libp2p/interface'
import { AbstractStreamMuxer } from '@libp2p/utils'
import { NetError, reasonOf } from './errors.ts'
import type { NativeConnection, NativeStream } from './quic-addon.ts'
import { QuicStream } from './quic-stream.ts'

export class QuicMuxer extends AbstractStreamMuxer<QuicStream> {
  readonly #native: NativeConnection
  readonly #streamsMax: number
  /** Those asked for and not yet given. */
  #opening = 0

  constructor(native: NativeConnection, connection: MultiaddrConnection, streamsMax: number) {
    super(connection, { protocol: 'quic', name: 'quic', maxEarlyStreams: streamsMax })
    this.#native = native
    this.#streamsMax = streamsMax
    void this.#accept(connection)
  }

  override async onCreateStream(): Promise<QuicStream> {
    const open = this.streams.filter(({ direction }) => direction === 'outbound').length
    if (open + this.#opening >= this.#streamsMax) {
      throw NetError.CONNECTION_DROPPED({
        reason: `it has ${open + this.#opening} streams already`,
      })
    }
    this.#opening += 1
    try {
      return this.#wrap(await this.#native.outboundStream(), 'outbound')
    } finally {
      this.#opening -= 1
    }
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
