/**
 * Stands between a libp2p transport and the upgrader, where every connection passes before its
 * first byte: its bytes are counted from there, and QUIC gets our muxer. Dials obey their signal
 * even where the transport does not.
 */

import type { MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import { race } from '../base/index.ts'
import type { ByteMeter } from './byte-meter.ts'
import { NetError } from './errors.ts'
import { type NativeConnection, quicMuxer } from './quic-muxer.ts'

const GIVEN_UP = 'its dial was given up'

/** Makes a transport from libp2p's components, as libp2p's own factories do. */
export type TransportFactory = NonNullable<Libp2pOptions['transports']>[number]

export function watchedTransport(
  make: TransportFactory,
  meter: ByteMeter,
  streamsMax: number,
): TransportFactory {
  return (components) => {
    const transport = make(components)
    const dial = transport.dial.bind(transport)
    const createListener = transport.createListener.bind(transport)
    const watch = (upgrader: Upgrader) => watchedUpgrader(upgrader, meter, streamsMax)
    return Object.assign(transport, {
      dial: ((address, options) => {
        const dialled = dial(address, { ...options, upgrader: watch(options.upgrader) })
        dropIfLate(dialled, options.signal)
        return race(dialled, options.signal)
      }) satisfies Transport['dial'],
      createListener: ((options) =>
        createListener({
          ...options,
          upgrader: watch(options.upgrader),
        })) satisfies Transport['createListener'],
    })
  }
}

/** A connection that comes up after its dial was given up belongs to nobody. */
function dropIfLate(dialled: ReturnType<Transport['dial']>, signal: AbortSignal): void {
  dialled.then(
    (connection) => {
      if (signal.aborted) connection.abort(NetError.CONNECTION_DROPPED({ reason: GIVEN_UP }))
    },
    () => undefined,
  )
}

function watchedUpgrader(upgrader: Upgrader, meter: ByteMeter, streamsMax: number): Upgrader {
  const prepared = <Options extends object>(connection: MultiaddrConnection, options: Options) => {
    const native = nativeConnection(options)
    if (native === undefined) {
      meter.watch(connection)
      return options
    }
    meter.sample(connection, () => {
      const { udpRxBytes, udpTxBytes } = native.stats()
      return { in: udpRxBytes, out: udpTxBytes }
    })
    return { ...options, muxerFactory: quicMuxer(native, connection, streamsMax) }
  }
  return {
    upgradeInbound: (connection, options) =>
      upgrader.upgradeInbound(connection, prepared(connection, options)),
    upgradeOutbound: (connection, options) =>
      upgrader.upgradeOutbound(connection, prepared(connection, options)),
    createInboundAbortSignal: (signal) => upgrader.createInboundAbortSignal(signal),
    getStreamMuxers: () => upgrader.getStreamMuxers(),
    getConnectionEncrypters: () => upgrader.getConnectionEncrypters(),
  }
}

/** The addon's connection, which its muxer factory (version 2.1.1, pinned) holds in `init`. */
function nativeConnection(options: object): NativeConnection | undefined {
  const { muxerFactory } = options as {
    muxerFactory?: { protocol?: string; init?: { connection?: NativeConnection } }
  }
  return muxerFactory?.protocol === 'quic' ? muxerFactory.init?.connection : undefined
}
