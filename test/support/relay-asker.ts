/** A stock peer that asks a relay for a reservation, once, and says what it got. */

import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { framesOf } from '../../src/net/frames.ts'
import {
  decodeHop,
  encodeHop,
  HOP_PROTOCOL,
  type RelayMessage,
} from '../../src/net/relay-protocol.ts'

/** The relay's answer. */
export async function askReservation(relay: string): Promise<RelayMessage> {
  const peer = await createLibp2p({
    transports: [tcp(), quic()],
    connectionEncrypters: [noise(), tls()],
    streamMuxers: [yamux()],
  })
  try {
    const connection = await peer.dial(multiaddr(relay))
    const frames = framesOf(await connection.newStream(HOP_PROTOCOL), 4_096)
    const { signal } = new AbortController()
    await frames.write(encodeHop({ type: 'reserve' }), signal)
    return decodeHop(await frames.read(signal))
  } finally {
    await peer.stop()
  }
}
