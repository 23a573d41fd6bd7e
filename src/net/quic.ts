/** The QUIC transport, when its native part loads on this machine; else why not, and what helps. */

import { privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { type Clock, systemClock } from '../base/index.ts'
import type { NetConfig } from './config.ts'
import { reasonOf } from './errors.ts'
import type { Facility } from './facility.ts'
import { loadAddon, type QuicAddon, type QuicSettings } from './quic-addon.ts'
import { hubLimitsOf, QuicHub } from './quic-hub.ts'
import { type QuicComponents, QuicTransport } from './quic-transport.ts'
import type { TransportFactory } from './transport-watch.ts'

export interface Quic {
  readonly transport: TransportFactory | undefined
  readonly facility: Facility
  /** Listening and dialling from one port; absent where QUIC is unavailable. */
  readonly hub: QuicHub | undefined
}

const SOCKET_BUFFER_BYTES = 512 * 1_024
/** Handshakes come without an address that was proven, so only their number in all is bounded. */
const HANDSHAKES_PER_PENDING = 4

/** `load` loads the native part; a test lets it fail. */
export async function loadQuic(
  config: NetConfig,
  clock: Clock = systemClock,
  load: () => Promise<QuicAddon> = loadAddon,
): Promise<Quic> {
  try {
    const addon = await load()
    const hub = new QuicHub({ clock }, config.hub, hubLimitsOf(config))
    return { transport: factory({ addon, clock, hub }, config), facility: { state: 'active' }, hub }
  } catch (error) {
    return {
      transport: undefined,
      hub: undefined,
      facility: {
        state: 'unavailable',
        reason: `the native part of QUIC did not load: ${reasonOf(error)}`,
        remedy: 'install it with: npm install --include=optional (TCP works without it)',
      },
    }
  }
}

interface Parts {
  readonly addon: QuicAddon
  readonly clock: Clock
  readonly hub: QuicHub
}

function factory({ addon, clock, hub }: Parts, config: NetConfig): TransportFactory {
  return (components) => {
    const { privateKey, logger } = components as unknown as QuicComponents
    const settings = new addon.QuinnConfig(settingsOf(privateKeyToProtobuf(privateKey), config))
    return new QuicTransport(
      { addon, settings, clock, logger, hub },
      {
        streamsMax: config.streamsPerConnectionMax,
        handshakesMax: HANDSHAKES_PER_PENDING * config.pendingMax,
        handshakeTimeoutMs: config.idleTimeoutMs,
      },
    )
  }
}

function settingsOf(privateKeyProto: Uint8Array, config: NetConfig): QuicSettings {
  return {
    privateKeyProto,
    handshakeTimeout: config.addressTimeoutMs,
    maxIdleTimeout: config.idleTimeoutMs,
    keepAliveInterval: config.keepAliveMs,
    maxConcurrentStreamLimit: config.streamsPerConnectionMax,
    maxStreamData: config.streamWindowBytes,
    maxConnectionData: config.connectionWindowBytes,
    receiveBufferSize: SOCKET_BUFFER_BYTES,
    sendBufferSize: SOCKET_BUFFER_BYTES,
  }
}
