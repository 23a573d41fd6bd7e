/**
 * UDP as a room above sees it: packets in, packets out, and where we listen.
 *
 * The real port has one socket for each address that the node listens on, so that a node on
 * loopback is not heard from elsewhere; the simulator brings its own. UDP promises nothing: a
 * packet that the system takes may still be lost, and one that it refuses is told as an error,
 * never as sent.
 */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { scopeOf } from '../ip/index.ts'
import { NetError, reasonOf } from './errors.ts'

/** An IP address as text, without zone, and a port. */
export interface UdpEndpoint {
  readonly host: string
  readonly port: number
}

/** Takes each packet as it came; the bytes are the listener's to keep. */
export type PacketListener = (bytes: Uint8Array, from: UdpEndpoint) => void

/** Packets to and from the addresses that were asked for. */
export interface UdpPort {
  /** Where we listen, wildcards as they are. */
  readonly addresses: readonly UdpEndpoint[]
  /** Throws `NET_UDP_UNSENT` where no socket of ours speaks the other side's version of IP. */
  send(bytes: Uint8Array, to: UdpEndpoint): void
  /** One listener; a later one takes the place of the one before. */
  onPacket(listener: PacketListener): void
  close(): void
}

/** What to listen on. */
export interface UdpWanted {
  /** IP addresses, one socket for each. */
  readonly hosts: readonly string[]
  /** The port for all of them. */
  readonly port: number
  /** Any free port will do when that one is busy. */
  readonly movable: boolean
}

/** Opens a port, or rejects with the reason why not. */
export type OpenUdp = (wanted: UdpWanted) => Promise<UdpPort>

/** A burst of answers to one lookup must fit; the system may grant less. */
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024
const SEND_BUFFER_BYTES = 1_024 * 1_024
const TRIES_MAX = 8
const HOSTS_MAX = 8

/** The real port. A host that this machine does not have is left out, unless it is the only one. */
export const openUdp: OpenUdp = async ({ hosts, port, movable }) => {
  const wanted = [...new Set(hosts)].slice(0, HOSTS_MAX)
  for (let tries = 0; ; tries += 1) {
    const first = tries === 0 ? port : 0
    try {
      return new RealUdpPort(await openAll(wanted, first))
    } catch (cause) {
      if (!isBusy(cause) || !movable || tries >= TRIES_MAX) {
        throw NetError.UDP_FAILED({ port, reason: reasonOf(cause) }, cause)
      }
    }
  }
}

/** The first socket says which port; the others follow. All or none are busy. */
async function openAll(hosts: readonly string[], port: number): Promise<readonly Socket[]> {
  const open: Socket[] = []
  const absent: Error[] = []
  for (const host of hosts) {
    try {
      open.push(await openSocket(host, open[0]?.address().port ?? port))
    } catch (error) {
      if (error instanceof Error && !isBusy(error)) {
        absent.push(error)
        continue
      }
      for (const socket of open) socket.close()
      throw error
    }
  }
  if (open.length === 0) throw new AggregateError(absent, 'no address to listen on')
  return open
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}

async function openSocket(host: string, port: number): Promise<Socket> {
  const isV6 = isIPv6(host)
  const socket = createSocket({
    type: isV6 ? 'udp6' : 'udp4',
    ipv6Only: isV6,
    // Hosts are IP addresses: nothing to look up, and no turn of the loop to wait for it.
    lookup: (address, _options, found) => found(null, address, isV6 ? 6 : 4),
  })
  try {
    // Asked for first: without a name to look up, `bind` may be through before it returns.
    const listening = once(socket, 'listening')
    socket.bind({ address: host, port, exclusive: true })
    await listening
  } catch (error) {
    socket.close()
    throw error
  }
  enlarge(socket)
  return socket
}

/** Some systems refuse more than their limit in place of granting less. */
function enlarge(socket: Socket): void {
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
    socket.setSendBufferSize(SEND_BUFFER_BYTES)
  } catch {
    // What the system gave before is what there is.
  }
}

class RealUdpPort implements UdpPort {
  readonly addresses: readonly UdpEndpoint[]
  readonly #sockets: readonly { readonly socket: Socket; readonly host: string }[]
  #listener: PacketListener = () => undefined
  #closed = false

  constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets.map((socket) => ({ socket, host: socket.address().address }))
    this.addresses = sockets.map((socket) => {
      const { address, port } = socket.address()
      return { host: address, port }
    })
    for (const socket of sockets) {
      socket.on('message', (bytes, from) => this.#receive(bytes, from))
      // What ICMP tells anybody may have sent; a question that is not answered fails by itself.
      socket.on('error', () => undefined)
    }
  }

  send(bytes: Uint8Array, to: UdpEndpoint): void {
    const socket = this.#socketTo(to.host)
    if (socket === undefined || to.port === 0) {
      const none = this.#closed ? 'the port is closed' : 'no socket speaks its version of IP'
      const reason = socket === undefined ? none : 'nobody listens on port 0'
      throw NetError.UDP_UNSENT({ host: to.host, port: to.port, reason })
    }
    // The callback keeps a refusal by the system from being an `error` of the whole socket.
    socket.send(bytes, to.port, to.host, ignore)
  }

  onPacket(listener: PacketListener): void {
    this.#listener = listener
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { socket } of this.#sockets) socket.close()
  }

  #receive(bytes: Uint8Array, from: RemoteInfo): void {
    // Nobody can be answered at port 0 (RFC 768), and Node throws where it is asked to.
    if (this.#closed || from.port === 0) return
    const zone = from.address.indexOf('%')
    const host = zone < 0 ? from.address : from.address.slice(0, zone)
    // Views of a plain array cost a fifth of a Buffer's, and a packet is read through several.
    const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#listener(plain, { host, port: from.port })
  }

  /** The socket of that version of IP; of several, the one that reaches as far as the target. */
  #socketTo(host: string): Socket | undefined {
    if (this.#closed) return undefined
    const isV6 = isIPv6(host)
    const fit = this.#sockets.filter((one) => isIPv6(one.host) === isV6)
    if (fit.length < 2) return fit[0]?.socket
    return (fit.find((one) => scopeOf(one.host) === scopeOf(host)) ?? fit[0])?.socket
  }
}

function ignore(): void {}
