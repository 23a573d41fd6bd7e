/** Which ports of ours a router could send to one of our addresses: what is listened on there. */

import type { ListenedPort } from './portmap-lease.ts'
import type { UdpEndpoint } from './udp-port.ts'

const LISTENED = /^\/ip[46]\/([^/]+)\/(tcp|udp)\/(\d{1,5})(\/quic-v1)?(?:\/p2p\/[^/]+)?$/
const WILDCARDS: readonly string[] = ['0.0.0.0', '::']

/** Each port once, from multiaddrs and from UDP sockets that speak something else than QUIC. */
export function portsAt(
  local: string,
  listening: readonly string[],
  datagrams: readonly UdpEndpoint[],
): readonly ListenedPort[] {
  const found = new Map<string, ListenedPort>()
  const add = (host: string, port: ListenedPort) => {
    if (port.port === 0 || !hears(host, local)) return
    found.set(`${port.protocol} ${port.port}`, port)
  }
  for (const address of listening) {
    const [, host = '', protocol, port, suffix = ''] = LISTENED.exec(address) ?? []
    const isSpoken = (protocol === 'udp') === (suffix !== '')
    if ((protocol === 'tcp' || protocol === 'udp') && isSpoken) {
      add(host, { protocol, port: Number(port), suffix })
    }
  }
  for (const { host, port } of datagrams) add(host, { protocol: 'udp', port, suffix: '' })
  return [...found.values()]
}

/** Whether a socket at `host` hears what comes to `local`. */
function hears(host: string, local: string): boolean {
  if (host === local) return true
  return WILDCARDS.includes(host) && host.includes(':') === local.includes(':')
}
