/** A circuit through a relay, as libp2p wants a connection that is not encrypted yet. */

import type { AbortOptions, MultiaddrConnection, Stream } from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { NetError } from './errors.ts'

type Sent = Parameters<AbstractMultiaddrConnection['sendData']>[0]

class RelayedConnection extends AbstractMultiaddrConnection {
  readonly #stream: Stream

  constructor(stream: Stream, remoteAddr: Multiaddr, direction: 'inbound' | 'outbound') {
    super({ remoteAddr, direction, log: stream.log.newScope('relayed') })
    this.#stream = stream
    stream.addEventListener('message', ({ data }) => {
      this.onData(data)
    })
    stream.addEventListener('drain', () => this.safeDispatchEvent('drain'))
    stream.addEventListener('remoteCloseWrite', () => {
      this.onRemoteCloseWrite()
      this.close().catch((error: unknown) => {
        this.abort(error instanceof Error ? error : dropped())
      })
    })
    stream.addEventListener('close', ({ error }) => {
      this.onTransportClosed(error)
    })
  }

  sendData(data: Sent): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#stream.send(data) }
  }

  async sendClose(options?: AbortOptions): Promise<void> {
    await this.#stream.close(options)
  }

  sendReset(): void {
    this.#stream.abort(dropped())
  }

  sendPause(): void {
    this.#stream.pause()
  }

  sendResume(): void {
    this.#stream.resume()
  }
}

/** The stream that a relay has spliced to another peer's, as a connection to that peer. */
export function relayedConnection(
  stream: Stream,
  remoteAddr: Multiaddr,
  direction: 'inbound' | 'outbound',
): MultiaddrConnection {
  return new RelayedConnection(stream, remoteAddr, direction)
}

function dropped(): Error {
  return NetError.CONNECTION_DROPPED({ reason: 'the relayed connection was cut' })
}
