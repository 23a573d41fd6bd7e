/**
 * TCP writes in bulk: what is sent in one turn of the event loop leaves with one system call.
 *
 * Noise sends each length and each message by itself, yamux each frame. Written one by one they are
 * packets of a few bytes, of which Linux sends ten and then waits for the other side (RFC 6928
 * counts segments): a round trip lost on every new connection. Bulk data is not held back.
 */

import type { MultiaddrConnection } from '@libp2p/interface'
import type { AbstractMessageStream, SendResult } from '@libp2p/utils'
import { afterWrite } from './noise-bulk.ts'

/** So much fills segments by itself, and need not wait for the end of the turn. */
const BULK_BYTES = 64 * 1_024

type Sent = Parameters<AbstractMessageStream['sendData']>[0]

/** What is used of a `net.Socket`. */
export interface CorkedSocket {
  cork(): void
  uncork(): void
  write(bytes: Uint8Array, written: (() => void) | undefined): boolean
}

/** Corks the socket of a TCP connection; leaves any other connection as it is. */
export function corkWrites(connection: MultiaddrConnection): void {
  const { socket } = connection as { socket?: CorkedSocket }
  if (socket === undefined) return
  let corked = false
  const uncork = () => {
    if (!corked) return
    corked = false
    socket.uncork()
  }
  Object.assign(connection, {
    sendData(data: Sent): SendResult {
      if (!corked) {
        corked = true
        socket.cork()
        setImmediate(uncork)
      }
      let canSendMore = true
      for (const bytes of data) canSendMore = socket.write(bytes, afterWrite(bytes))
      if (data.byteLength >= BULK_BYTES) uncork()
      return { sentBytes: data.byteLength, canSendMore }
    },
  })
}
