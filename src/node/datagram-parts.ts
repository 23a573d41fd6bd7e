/** The UDP port of the DHT: what it is made from, and where it was opened. */

import type { DatagramParts } from '../dht/index.ts'
import { agreementOf } from '../identity/index.ts'
import {
  listenAddresses,
  type OpenUdp,
  parseListenAddress,
  type UdpEndpoint,
} from '../net/index.ts'
import type { Given } from './compose.ts'
import type { ResolvedConfig } from './load-config.ts'

/** A UDP port that remembers where it was opened, for whoever wants to forward something to it. */
export interface NotedUdp {
  readonly open: OpenUdp
  addresses(): readonly UdpEndpoint[]
}

/** Opens as `open` does, and notes where. */
export function notedUdp(open: OpenUdp): NotedUdp {
  const noted = new Set<readonly UdpEndpoint[]>()
  return {
    addresses: () => [...noted].flat(),
    async open(wanted) {
      const port = await open(wanted)
      const { addresses } = port
      noted.add(addresses)
      return {
        addresses,
        send: (bytes, to) => port.send(bytes, to),
        onPacket: (listener) => port.onPacket(listener),
        close() {
          noted.delete(addresses)
          port.close()
        },
      }
    },
  }
}

/** Nothing without the node's own key: what is sealed for a peer is sealed with it. */
export function datagramsOf(
  config: ResolvedConfig,
  { keys, injected }: Given,
  udp: NotedUdp,
): DatagramParts | undefined {
  const agreement = agreementOf(keys)
  if (agreement === undefined) return undefined
  // With transports of somebody else's there is no saying what UDP would reach.
  if (injected.udp === undefined && injected.transports !== undefined) return undefined
  const hosts = listenAddresses(config.net).flatMap((text) => {
    const { host } = parseListenAddress(text)
    return host === undefined ? [] : [host.value]
  })
  if (hosts.length === 0) return undefined
  return { agreement, openUdp: udp.open, hosts: [...new Set(hosts)] }
}
