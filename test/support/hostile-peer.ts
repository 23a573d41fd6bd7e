/** A peer that keeps to no rule: stock js-libp2p over TCP whose muxer is in the test's own hands. */

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Connection, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import type { AbstractMessageStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

/** What is used of the library's muxer to break its rules. */
export interface RawMuxer {
  readonly maConn: AbstractMessageStream
  readonly remoteGoAway?: number
  sendFrame(frame: object, data?: Uint8Array): boolean
  handleGoAway(code: number): void
}

export interface RawStream extends Stream {
  readonly streamId: number
  handleWindowUpdate(frame: { readonly header: { flag: number; length: number } }): void
}

export interface HostilePeer extends AsyncDisposable {
  readonly id: string
  dial(address: string): Promise<Connection>
}

export async function hostilePeer(): Promise<HostilePeer> {
  const muxer = yamux({
    maxOutboundStreams: 100_000,
    maxInboundStreams: 1_000,
    enableKeepAlive: false,
  })
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [muxer],
    connectionManager: { reconnectRetries: 0 },
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
  })
  return {
    id: node.peerId.toString(),
    dial: (address) => node.dial(multiaddr(address), { force: true }),
    [Symbol.asyncDispose]: async () => {
      await node.stop()
    },
  }
}

/** The muxer under a connection. */
export function muxerOf(connection: Connection): RawMuxer {
  return (connection as unknown as { readonly muxer: RawMuxer }).muxer
}

/** Sends as much as the other side lets it, until it is told to stop; how much that was. */
export function stuff(stream: Stream, chunk: Uint8Array, bytesMax: number): number {
  let sent = 0
  while (sent < bytesMax && stream.status === 'open' && stream.send(chunk)) sent += chunk.length
  return sent
}
