/**
 * TLS 1.3 over TCP for peers that offer no Noise, such as a go-libp2p node with TLS alone.
 * libp2p specification, tls/tls.md.
 *
 * Most connections never need it, and the library brings an ASN.1 toolkit along: it is loaded when
 * the first peer asks for it. Noise stands first, so two peers that speak both take Noise.
 */

import { type ConnectionEncrypter, serviceCapabilities } from '@libp2p/interface'
import type { TLSComponents } from '@libp2p/tls'
import type { Libp2pOptions } from 'libp2p'

type EncrypterFactory = NonNullable<Libp2pOptions['connectionEncrypters']>[number]

const PROTOCOL = '/tls/1.0.0'

/** TLS as the library makes it, from the first connection that wants it on. */
export function lazyTls(): EncrypterFactory {
  return (components) => {
    let made: Promise<ConnectionEncrypter> | undefined
    const library = (): Promise<ConnectionEncrypter> => {
      made ??= import('@libp2p/tls').then(({ tls }) =>
        tls()(components as unknown as TLSComponents),
      )
      return made
    }
    return {
      protocol: PROTOCOL,
      [Symbol.toStringTag]: 'lazy-tls',
      [serviceCapabilities]: ['@libp2p/connection-encryption'],
      secureInbound: async (stream, options) => (await library()).secureInbound(stream, options),
      secureOutbound: async (stream, options) => (await library()).secureOutbound(stream, options),
    } as ConnectionEncrypter
  }
}
