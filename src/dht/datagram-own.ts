/**
 * Where this node itself takes datagrams, as others are told.
 *
 * A socket that listens on every address of a version of IP is found at each address that the host
 * says is ours; one that listens on a single address is found there.
 */

import { SCOPES, scopeOf } from '../ip/index.ts'
import type { Host, UdpEndpoint } from '../net/index.ts'
import type { StreamPorts } from './datagram-packet.ts'
import { datagramAddress } from './multiaddrs.ts'

/** Of more nobody takes note. */
const ADDRESSES_MAX = 3
const WILDCARDS: readonly string[] = ['0.0.0.0', '::']
const AT_HOST = /^\/ip([46])\/([^/]+)\/(tcp|udp)\/(\d+)(\/quic-v1)?(?:\/p2p\/[^/]+)?$/

export class OwnAddresses {
  readonly #host: Pick<Host, 'addresses'>
  #listening: readonly UdpEndpoint[] = []
  #ports: StreamPorts | undefined

  constructor(host: Pick<Host, 'addresses'>) {
    this.#host = host
  }

  listensOn(listening: readonly UdpEndpoint[]): void {
    this.#listening = listening
  }

  /** Whether a socket of ours speaks the version of IP of `to`. */
  speaks({ host }: UdpEndpoint): boolean {
    return this.#listening.some((own) => own.host.includes(':') === host.includes(':'))
  }

  /** Our ports for streams; the host keeps them for as long as it listens. */
  streamPorts(): StreamPorts {
    this.#ports ??= portsIn(this.#host.addresses())
    return this.#ports
  }

  /** The widest reach first, versions of IP in turns. */
  addresses(): readonly string[] {
    const found = this.#listening.flatMap(({ host, port }) => {
      const hosts = WILDCARDS.includes(host) ? this.#hostsLike(host) : [host]
      return widestFirst(hosts).map((one, turn) => ({ host: one, port, turn }))
    })
    const best = found.toSorted((a, b) => a.turn - b.turn).slice(0, ADDRESSES_MAX)
    return best.map(datagramAddress)
  }

  #hostsLike(wildcard: string): string[] {
    const hosts = this.#host.addresses().flatMap((text) => AT_HOST.exec(text)?.[2] ?? [])
    return [...new Set(hosts)].filter((host) => host.includes(':') === wildcard.includes(':'))
  }
}

function portsIn(addresses: readonly string[]): StreamPorts {
  const ports = { tcp: 0, quic: 0 }
  for (const text of addresses) {
    const [, , , kind, port, isQuic] = AT_HOST.exec(text) ?? []
    if (kind === 'tcp') ports.tcp ||= Number(port)
    else if (isQuic !== undefined) ports.quic ||= Number(port)
  }
  return ports
}

function widestFirst(hosts: readonly string[]): string[] {
  const reach = (host: string) => SCOPES.indexOf(scopeOf(host))
  return hosts.toSorted((a, b) => reach(b) - reach(a))
}
