/** One QUIC connection as libp2p's upgrader takes it: encrypted and multiplexed already. */

import { isIPv6 } from 'node:net'
import type { Logger, MultiaddrConnection, PeerId, StreamMuxerFactory } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { BaseError } from '../base/index.ts'
import { withEarlyStreams } from './early-protocol.ts'
import { NetError } from './errors.ts'
import type { NativeConnection } from './quic-addon.ts'
import { QuicMuxer } from './quic-muxer.ts'
import { parseAny } from './transports.ts'
import type { UdpEndpoint } from './udp-port.ts'

type Direction = 'inbound' | 'outbound'

export class QuicConnection extends AbstractMultiaddrConnection {
  readonly native: NativeConnection

  /** Behind the hub the addon takes a gate for the remote, which then is `remote`. */
  constructor(native: NativeConnection, direction: Direction, log: Logger, remote?: UdpEndpoint) {
    const told = native.remoteMultiaddr()
    const address = remote === undefined ? told : addressOf(remote, told)
    super({ remoteAddr: multiaddr(address), direction, log })
    this.native = native
  }

  /** The peer whose key the handshake proved. */
  get remotePeer(): PeerId {
    const { peer } = parseAny(this.remoteAddr.toString())
    if (peer === undefined) throw NetError.CONNECTION_DROPPED({ reason: 'it proved no peer id' })
    return peerIdFromString(peer)
  }

  override sendData(): SendResult {
    throw BaseError.BUG({ invariant: 'bytes go over the streams of a QUIC connection' })
  }

  override sendReset(): void {
    this.native.abort()
  }

  override async sendClose(): Promise<void> {
    this.native.abort()
  }

  /** QUIC holds back each stream by itself. */
  override sendPause(): void {}

  override sendResume(): void {}
}

/** The remote's own address, with the peer that the addon tells of the gate. */
function addressOf({ host, port }: UdpEndpoint, told: string): string {
  const { peer } = parseAny(told)
  const proven = peer === undefined ? '' : `/p2p/${peer}`
  return `/${isIPv6(host) ? 'ip6' : 'ip4'}/${host}/udp/${port}/quic-v1${proven}`
}

/** What the upgrader is told in place of doing it: encryption is done, the streams are QUIC's. */
export function quicUpgrade(connection: QuicConnection, streamsMax: number) {
  return {
    skipEncryption: true,
    skipProtection: true,
    remotePeer: connection.remotePeer,
    muxerFactory: withEarlyStreams(new QuicMuxerFactory(connection, streamsMax)),
  } as const
}

/** Makes the muxer of one connection, for which libp2p asks once. */
export class QuicMuxerFactory implements StreamMuxerFactory {
  readonly protocol = 'quic'
  readonly #connection: QuicConnection
  readonly #streamsMax: number

  constructor(connection: QuicConnection, streamsMax: number) {
    this.#connection = connection
    this.#streamsMax = streamsMax
  }

  /** Who counts the bytes of the connection asks its native part. */
  get native(): NativeConnection {
    return this.#connection.native
  }

  createStreamMuxer(connection: MultiaddrConnection): QuicMuxer {
    return new QuicMuxer(this.native, connection, this.#streamsMax)
  }
}
