/**
 * The processes of the bench `memory` that hold connections: a listener, ours or plain js-libp2p's,
 * and diallers, which are plain js-libp2p for both, each connection from an identity of its own.
 */

import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { openNode, resolveOptions } from '../../src/node/index.ts'
import { serveWorker } from './harness-worker.ts'

export type Transport = 'quic' | 'tcp'

export interface Listening {
  readonly ours: boolean
  readonly transport: Transport
  /** Connections that the limits must let in. */
  readonly room: number
}

export interface Held {
  readonly rssKb: number
  readonly descriptors: number
  readonly connections: number
}

const DIALS_AT_ONCE = 4
const PENDING_MAX = 256

let connections: () => number = () => 0
const diallers: Libp2p[] = []

await serveWorker({
  listen: (how: Listening) => (how.ours ? listenOurs(how) : listenPlain(how)),

  async dial({ address, count }: { readonly address: string; readonly count: number }) {
    let left = count
    const lane = async () => {
      while (left > 0) {
        left -= 1
        const node = await plainNode(address.includes('/udp/') ? 'quic' : 'tcp')
        diallers.push(node)
        await node.dial(multiaddr(address))
      }
    }
    await Promise.all(Array.from({ length: DIALS_AT_ONCE }, lane))
  },

  /** What this process holds once the garbage is collected. */
  async held(): Promise<Held> {
    for (let i = 0; i < 4; i += 1) {
      globalThis.gc?.()
      await wait(100)
    }
    const descriptors = readdirSync('/proc/self/fd').length
    return { rssKb: process.memoryUsage.rss() / 1_024, descriptors, connections: connections() }
  },
})

async function listenOurs({ transport, room }: Listening): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-bench-'))
  process.on('exit', () => void rm(dataDir, { recursive: true, force: true }))
  const limits = {
    connectionsMax: room,
    connectionsPerHostMax: room,
    connectionsPerSiteMax: room,
    inboundPerSecondMax: room,
  }
  const config = resolveOptions(
    { preset: 'test', dataDir, net: { ...limits, listen: [listenAddress(transport)] } },
    {},
  )
  const node = await openNode(config, { version: '0.0.0', writeLog: () => {} })
  connections = () => node.status().peers
  return node.addresses[0] ?? ''
}

async function listenPlain({ transport, room }: Listening): Promise<string> {
  const node = await plainNode(transport, {
    addresses: { listen: [listenAddress(transport)] },
    connectionManager: {
      maxConnections: room,
      maxIncomingPendingConnections: PENDING_MAX,
      inboundConnectionThreshold: room,
    },
  })
  connections = () => node.getConnections().length
  return node.getMultiaddrs()[0]?.toString() ?? ''
}

function plainNode(
  transport: Transport,
  options: Partial<Parameters<typeof createLibp2p>[0]> = {},
): Promise<Libp2p> {
  return createLibp2p({
    transports: [transport === 'quic' ? quic() : tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
    ...options,
  })
}

function listenAddress(transport: Transport): string {
  return transport === 'quic' ? '/ip4/127.0.0.1/udp/0/quic-v1' : '/ip4/127.0.0.1/tcp/0'
}
