/** UDP sockets as the hub needs them: bound to an IP address, with room for bursts. */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import type { UdpEndpoint } from './udp-port.ts'

/** Bursts of one turn of the event loop must fit; the system may grant less. */
const BUFFER_BYTES = 4 * 1_024 * 1_024
/** What the system does not take at once is queued by Node up to this; beyond it, dropped. */
const QUEUED_BYTES_MAX = 1_024 * 1_024

/** Called for each packet; the bytes are the receiver's to keep. */
export type Arrived = (bytes: Uint8Array, from: UdpEndpoint) => void

/** Rejects with the system's error when the address cannot be had. */
export async function openHubSocket(at: UdpEndpoint, arrived: Arrived): Promise<Socket> {
  const family = isIPv6(at.host) ? 6 : 4
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    ipv6Only: family === 6,
    // Hosts are IP addresses: nothing to look up, and no turn of the loop to wait for it.
    lookup: (address, _options, found) => found(null, address, family),
  })
  try {
    // Asked for first: without a name to look up, `bind` may be through before it returns.
    const listening = once(socket, 'listening')
    socket.bind({ address: at.host, port: at.port, exclusive: true })
    await listening
  } catch (error) {
    socket.close()
    throw error
  }
  enlarge(socket)
  // What ICMP tells anybody may have sent.
  socket.on('error', ignore)
  socket.on('message', (bytes, { address, port }) => {
    // Nobody can be answered there (RFC 768), and Node throws where it is asked to.
    if (port === 0) return
    const zone = address.indexOf('%')
    arrived(bytes, { host: zone < 0 ? address : address.slice(0, zone), port })
  })
  return socket
}

/** Sends, or drops as any router may: false when it was dropped. */
export function sendFrom(socket: Socket, bytes: Uint8Array, to: UdpEndpoint): boolean {
  // Peers may name port 0, where nobody is, and Node throws.
  if (to.port === 0 || socket.getSendQueueSize() > QUEUED_BYTES_MAX) return false
  // The callback keeps a refusal by the system from being an `error` of the whole socket.
  socket.send(bytes, to.port, to.host, ignore)
  return true
}

function enlarge(socket: Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER_BYTES)
    socket.setSendBufferSize(BUFFER_BYTES)
  } catch {
    // What the system gave before is what there is.
  }
}

function ignore(): void {}
