/**
 * The native classes of `@chainsafe/libp2p-quic` (version 2.1.1, pinned), which the package keeps
 * beside the JavaScript that it exports. They are the whole of QUIC: packets, TLS and congestion.
 */

/** napi class `Stream`. Its calls of one direction must not overlap. */
export interface NativeStream {
  id(): string
  /** The next bytes, at most `max`; null after a FIN; rejects when the stream is gone. */
  read(max: number): Promise<Uint8Array | null>
  /** Resolves when QUIC has taken the bytes, which it reads from where they are until then. */
  write(bytes: Uint8Array): Promise<void>
  finishWrite(): Promise<void>
  resetWrite(): Promise<void>
  stopRead(): Promise<void>
}

/** napi class `Connection`: its handshake is done. */
export interface NativeConnection {
  /** Rejects, with the reason, when the connection is gone. */
  inboundStream(): Promise<NativeStream>
  outboundStream(): Promise<NativeStream>
  abort(): void
  /** Ends in `/p2p/` and the peer that its certificate proved. */
  remoteMultiaddr(): string
  stats(): { readonly udpRxBytes: number; readonly udpTxBytes: number }
}

/** napi class `Server`: one bound socket. */
export interface NativeServer {
  port(): number
  /** Takes the next newcomer and does its handshake; rejects when that fails, or after `abort`. */
  inboundConnection(): Promise<NativeConnection>
  stats(): { readonly acceptedHandshakes: number }
  abort(): Promise<void>
}

/** napi class `Client`: one socket for all dials of its family. */
export interface NativeClient {
  outboundConnection(ip: string, port: number): Promise<NativeConnection>
  abort(): void
}

/** What QUIC is told once, for both sides of all connections. */
export interface QuicSettings {
  readonly privateKeyProto: Uint8Array
  readonly handshakeTimeout: number
  readonly maxIdleTimeout: number
  readonly keepAliveInterval: number
  readonly maxConcurrentStreamLimit: number
  readonly maxStreamData: number
  readonly maxConnectionData: number
  readonly receiveBufferSize: number
  readonly sendBufferSize: number
}

/** The addon's settings, in a form of its own. */
export type NativeSettings = object

/** Families as the addon numbers them. */
export const FAMILY = { ip4: 0, ip6: 1 } as const

export interface QuicAddon {
  readonly QuinnConfig: new (settings: QuicSettings) => NativeSettings
  readonly Server: new (settings: NativeSettings, ip: string, port: number) => NativeServer
  readonly Client: new (settings: NativeSettings, family: 0 | 1) => NativeClient
}

/** Loads the native part; rejects where there is none for this machine. */
export async function loadAddon(): Promise<QuicAddon> {
  const beside = import.meta.resolve('@chainsafe/libp2p-quic')
  return (await import(new URL('./napi.js', beside).href)) as QuicAddon
}
