/** Who is connected to in the benches `memory` and `many`. */

import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import { hyperdht } from './sides/hyperdht.ts'

export type Transport = 'quic' | 'tcp'

export interface Listening {
  readonly stack: 'ours' | 'plain' | 'hyperdht'
  readonly transport: Transport
  /** Connections that the limits must let in. */
  readonly room: number
}

export interface Listener {
  readonly address: string
  connections(): number
}

const PENDING_MAX = 256
/** Of those that may be pending, a quarter may come within a second (`net/limits.ts`). */
const PENDING_PER_SECOND = 4

/** A whole node, with what it counts by address raised: here everybody comes from one. */
export async function listenOurs({ transport, room }: Listening): Promise<Listener> {
  // Only here, for it takes longer to load than all the rest, which diallers need not wait for.
  const { openNode, resolveOptions } = await import('../../src/node/index.ts')
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-bench-'))
  process.on('exit', () => rmSync(dataDir, { recursive: true, force: true }))
  const limits = {
    connectionsMax: room,
    connectionsPerHostMax: room,
    connectionsPerSiteMax: room,
    inboundPerSecondMax: room,
    pendingMax: Math.max(PENDING_MAX, PENDING_PER_SECOND * room),
  }
  const config = resolveOptions(
    { preset: 'test', dataDir, net: { ...limits, listen: [listenAddress(transport)] } },
    {},
  )
  const node = await openNode(config, { version: '0.0.0', writeLog: () => {} })
  return { address: node.addresses[0] ?? '', connections: () => node.status().peers }
}

export async function listenPlain({ transport, room }: Listening): Promise<Listener> {
  const node = await plainNode(transport, {
    addresses: { listen: [listenAddress(transport)] },
    connectionManager: {
      maxConnections: room,
      maxIncomingPendingConnections: PENDING_MAX,
      inboundConnectionThreshold: room,
    },
  })
  const address = node.getMultiaddrs()[0]?.toString() ?? ''
  return { address, connections: () => node.getConnections().length }
}

export async function listenHyperdht({ room }: Listening): Promise<Listener> {
  let connections = 0
  const options = { host: '127.0.0.1', transports: ['quic' as const], crowd: room }
  const { quic: address = '' } = await hyperdht().listen(options, () => {
    connections += 1
  })
  return { address, connections: () => connections }
}

/** js-libp2p with its defaults and one transport. */
export function plainNode(
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
