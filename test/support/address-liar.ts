/** A plain libp2p peer that answers every kad-dht question with one victim at false addresses. */

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { pbStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { Message } from '../../node_modules/@libp2p/kad-dht/dist/src/message/dht.js'

export interface AddressLiar extends AsyncDisposable {
  readonly address: string
  readonly peer: string
  /** How many questions it was asked. */
  readonly asked: () => number
}

/** `victim` is a peer id; each of the addresses told of it is one where nobody listens. */
export async function addressLiar(
  protocol: string,
  victim: string,
  count: number,
): Promise<AddressLiar> {
  let asked = 0
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
  })
  const multiaddrs = bogus(count).map((text) => multiaddr(text).bytes)
  const closer = [{ id: peerIdFromString(victim).toMultihash().bytes, multiaddrs }]
  await node.handle(protocol, async (stream) => {
    const messages = pbStream(stream).pb(Message)
    try {
      for (;;) {
        const { type } = await messages.read()
        asked += 1
        await messages.write({ type, closer, providers: [] })
      }
    } catch {
      // The other side has left.
    }
  })
  return {
    address: node.getMultiaddrs()[0]?.toString() ?? '',
    peer: node.peerId.toString(),
    asked: () => asked,
    [Symbol.asyncDispose]: async () => node.stop(),
  }
}

/** Ports below 1,024 on loopback: refused at once, so that the test need not wait. */
export function bogus(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `/ip4/127.0.0.1/tcp/${i + 100}`)
}
