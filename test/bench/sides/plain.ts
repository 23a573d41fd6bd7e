/** js-libp2p as its own documents show it: every option at its default. */

import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import type { Pipe, Stack } from './stack.ts'

const PROTOCOL = '/bench/1'
const STREAMS_MAX = 64

export function plain(): Stack {
  let dialling: ReturnType<typeof start> | undefined
  function started(): ReturnType<typeof start> {
    dialling ??= start({})
    return dialling
  }
  return {
    async listen({ host, transports, crowd }, serve) {
      const listen = transports.map((transport) =>
        transport === 'quic' ? `/ip4/${host}/udp/0/quic-v1` : `/ip4/${host}/tcp/0`,
      )
      const node = await start({
        addresses: { listen },
        ...(crowd === undefined ? {} : { connectionManager: roomFor(crowd) }),
      })
      await node.handle(PROTOCOL, (stream) => serve(pipeOf(stream)), {
        maxInboundStreams: STREAMS_MAX,
      })
      const found = (part: string) =>
        node.getMultiaddrs().find((one) => one.toString().includes(part))
      return { quic: String(found('/quic-v1')), tcp: String(found('/tcp/')) }
    },

    ready: started,

    async dial(address) {
      const node = await started()
      const connection = await node.dial(multiaddr(address))
      return {
        open: async () => {
          const options = { maxOutboundStreams: STREAMS_MAX }
          return pipeOf(await connection.newStream(PROTOCOL, options))
        },
        close: () => node.hangUp(connection.remotePeer),
      }
    },
  }
}

function start(options: Libp2pOptions) {
  return createLibp2p({
    transports: [quic(), tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
    ...options,
  })
}

/** The defaults are 10 pending connections and 5 a second from one address. */
function roomFor(crowd: number) {
  return {
    maxConnections: 2 * crowd,
    maxIncomingPendingConnections: crowd,
    inboundConnectionThreshold: crowd,
  }
}

function pipeOf(stream: Stream): Pipe {
  return {
    async write(bytes) {
      if (stream.send(bytes)) return
      // Its own onDrain() never renews its promise (@libp2p/utils 7.4.1).
      const drained = Promise.withResolvers<void>()
      stream.addEventListener('drain', () => drained.resolve(), { once: true })
      stream.addEventListener('close', () => drained.resolve(), { once: true })
      await drained.promise
    },
    listen(listener) {
      stream.addEventListener('message', ({ data }) => listener(data.subarray()))
    },
    close: () => void stream.close().catch(() => {}),
  }
}
