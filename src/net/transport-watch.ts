/**
 * Stands between a libp2p transport and the upgrader, where every connection passes before its
 * first byte: its bytes are counted from there. Dials obey their signal even where the transport
 * does not, connections over TCP write in bulk, and encryption begins without a round trip.
 */

import type { MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import { joinDeadline, race } from '../base/index.ts'
import type { ByteMeter } from './byte-meter.ts'
import { encryptEarly } from './early-protocol.ts'
import { NetError } from './errors.ts'
import { QuicMuxerFactory } from './quic-connection.ts'
import type { ResourceHooks } from './resource-hooks.ts'
import { corkWrites } from './tcp-cork.ts'

/** The one that nearly everybody speaks, and the first that we offer (`libp2p.ts`). */
const ENCRYPTION = '/noise'
const GIVEN_UP = 'its dial was given up'

/** What a transport says that has encrypted a connection itself, as QUIC and simulated ones do. */
interface Secured {
  readonly muxerFactory?: unknown
  readonly skipEncryption?: boolean
}

/** Whether encryption begins before the other side agreed to it, and who hears that it did not. */
interface EarlyEncryption {
  readonly isOn: boolean
  readonly refused?: () => void
}

/** Makes a transport from libp2p's components, as libp2p's own factories do. */
export type TransportFactory = NonNullable<Libp2pOptions['transports']>[number]

export function watchedTransport(
  make: TransportFactory,
  meter: ByteMeter,
  resources: Pick<ResourceHooks, 'begin' | 'door' | 'muxers' | 'throttle'>,
): TransportFactory {
  return (components) => {
    const transport = make(components)
    const dial = transport.dial.bind(transport)
    const createListener = transport.createListener.bind(transport)
    const watch = (upgrader: Upgrader, early?: EarlyEncryption) => {
      return watchedUpgrader(upgrader, meter, resources, early)
    }
    return Object.assign(transport, {
      dial: (async (address, options) => {
        // A socket is destroyed by the signal it was made with, also when it is a connection long
        // since (Node's `net`): what ends the dial's other ways must not end what came of it.
        using dialling = joinDeadline(new AbortController(), () => undefined, options.signal)
        const { signal } = dialling
        const begin = (early: EarlyEncryption) => {
          return dial(address, { ...options, signal, upgrader: watch(options.upgrader, early) })
        }
        const dialled = earlyOrElse(begin, signal)
        dropIfLate(dialled, signal)
        return await race(dialled, signal)
      }) satisfies Transport['dial'],
      createListener: ((options) => {
        const listener = createListener({ ...options, upgrader: watch(options.upgrader) })
        resources.door.guard(listener)
        return listener
      }) satisfies Transport['createListener'],
    })
  }
}

/** Once more, asking first, when the other side turned out not to speak what we began with. */
async function earlyOrElse<T>(
  begin: (early: EarlyEncryption) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const refusals: boolean[] = []
  const refused = () => {
    refusals.push(true)
  }
  try {
    return await begin({ isOn: true, refused })
  } catch (error) {
    if (refusals.length === 0 || signal.aborted) throw error
    return begin({ isOn: false })
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

/** The upgrader as a transport is to see it. */
export function watchedUpgrader(
  upgrader: Upgrader,
  meter: ByteMeter,
  resources: Pick<ResourceHooks, 'begin' | 'muxers' | 'throttle'>,
  { isOn, refused }: EarlyEncryption = { isOn: true },
): Upgrader {
  const prepared = <Options extends object>(connection: MultiaddrConnection, options: Options) => {
    const { muxerFactory, skipEncryption } = options as Secured
    resources.begin(connection)
    if (muxerFactory instanceof QuicMuxerFactory) {
      resources.muxers(muxerFactory)
      const { native } = muxerFactory
      meter.sample(connection, () => {
        const { udpRxBytes, udpTxBytes } = native.stats()
        return { in: udpRxBytes, out: udpTxBytes }
      })
    } else {
      corkWrites(connection)
      const isEarly = isOn && skipEncryption !== true && connection.direction === 'outbound'
      if (isEarly) encryptEarly(connection, ENCRYPTION, refused)
      // What a relay carries for us is counted on the connection to the relay.
      if (!isCircuit(connection)) {
        meter.watch(connection)
        resources.throttle(connection)
      }
    }
    return options
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

function isCircuit({ remoteAddr }: MultiaddrConnection): boolean {
  return remoteAddr.toString().includes('/p2p-circuit')
}
