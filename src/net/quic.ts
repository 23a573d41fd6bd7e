/** The QUIC transport, when its native part loads on this machine; else why not, and what helps. */

import type { NetConfig } from './config.ts'
import { reasonOf } from './errors.ts'
import type { Facility } from './facility.ts'
import type { TransportFactory } from './transport-watch.ts'

export interface Quic {
  readonly transport: TransportFactory | undefined
  readonly facility: Facility
}

const SOCKET_BUFFER_BYTES = 512 * 1_024

/** `load` imports the addon; a test lets it fail. */
export async function loadQuic(
  config: NetConfig,
  load: () => Promise<typeof import('@chainsafe/libp2p-quic')> = () =>
    import('@chainsafe/libp2p-quic'),
): Promise<Quic> {
  try {
    const { quic } = await load()
    const transport = quic({
      handshakeTimeout: config.addressTimeoutMs,
      maxIdleTimeout: config.idleTimeoutMs,
      keepAliveInterval: config.keepAliveMs,
      maxConcurrentStreamLimit: config.streamsPerConnectionMax,
      maxStreamData: config.streamWindowBytes,
      maxConnectionData: config.connectionWindowBytes,
      receiveBufferSize: SOCKET_BUFFER_BYTES,
      sendBufferSize: SOCKET_BUFFER_BYTES,
      ipv4: true,
      ipv6: true,
    })
    return { transport, facility: { state: 'active' } }
  } catch (error) {
    return {
      transport: undefined,
      facility: {
        state: 'unavailable',
        reason: `the native part of QUIC did not load: ${reasonOf(error)}`,
        remedy: 'install it with: npm install --include=optional (TCP works without it)',
      },
    }
  }
}
