/**
 * The sockets under mDNS: one for each interface and IP version.
 *
 * One socket for all would send where the default route leads, or nowhere; here each names its
 * interface, so that links without any route work. Sockets are bound to the multicast group itself
 * and not to the wildcard address, so that we take no unicast message from another responder on
 * this machine; an IPv6 group with its zone also binds to the interface.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import type { Logger } from '../base/index.ts'
import { groupOf } from '../ip/index.ts'

export const MDNS_PORT = 5353
const GROUPS = { 4: '224.0.0.251', 6: 'ff02::fb' } as const
/** RFC 6762 §11: what has crossed a router would have less. */
const HOPS = 255
const LINKS_MAX = 64
const CAN_BIND_GROUP = process.platform !== 'win32'

/** One interface, spoken to over one version of IP. */
export interface Link {
  /** Changes when the interface is another one, even under the same name. */
  readonly id: string
  readonly family: 4 | 6
  /** What sockets call the interface: its name, or on Windows its number. */
  readonly zone: string
  /** The address that IPv4 multicast leaves from; for IPv6 any address of the interface. */
  readonly address: string
  readonly prefixBits: number
  /** Every address of the interface, of both versions. */
  readonly addresses: readonly string[]
}

/** A message as it came, and what the socket knows of its sender. */
export interface Arrival {
  readonly bytes: Uint8Array
  readonly link: Link
  readonly source: string
  readonly port: number
  readonly ownHost: boolean
}

/** The links that messages go out on and come in from. */
export interface Links {
  /** Follows the interfaces as they come and go; returns the links that it opened. */
  rescan(): Promise<readonly Link[]>
  readonly open: readonly Link[]
  /** Why the last link that could not be opened could not. */
  readonly failure: Error | undefined
  send(link: Link, message: Uint8Array): void
  close(): void
}

/** What the links need: who reads the messages. */
export interface LinksDeps {
  readonly receive: (arrival: Arrival) => void
  readonly log: Logger
}

/** The links over real sockets; a link that cannot be opened is tried again at each rescan. */
export class UdpLinks implements Links {
  readonly #deps: LinksDeps
  readonly #sockets = new Map<string, { readonly link: Link; readonly socket: Socket }>()
  #ownAddresses: ReadonlySet<string> = new Set()
  #failure: Error | undefined
  #closed = false

  constructor(deps: LinksDeps) {
    this.#deps = deps
  }

  get open(): readonly Link[] {
    return [...this.#sockets.values()].map(({ link }) => link)
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  async rescan(): Promise<readonly Link[]> {
    const present = linksOf(networkInterfaces())
    this.#ownAddresses = new Set(present.flatMap(({ addresses }) => addresses))
    const ids = new Set(present.map(({ id }) => id))
    for (const id of this.#sockets.keys()) if (!ids.has(id)) this.#drop(id)
    this.#failure = undefined
    const opened: Link[] = []
    for (const link of present.filter(({ id }) => !this.#sockets.has(id))) {
      if (await this.#add(link)) opened.push(link)
    }
    return opened
  }

  send(link: Link, message: Uint8Array): void {
    const entry = this.#sockets.get(link.id)
    entry?.socket.send(message, MDNS_PORT, groupOn(link), (error) => {
      if (error !== null) this.#deps.log.debug('mdns message not sent', { link: link.id, error })
    })
  }

  close(): void {
    this.#closed = true
    for (const id of [...this.#sockets.keys()]) this.#drop(id)
  }

  async #add(link: Link): Promise<boolean> {
    const { log } = this.#deps
    const socket = createSocket({
      type: link.family === 4 ? 'udp4' : 'udp6',
      reuseAddr: true,
      ipv6Only: link.family === 6,
    })
    try {
      socket.bind({ port: MDNS_PORT, ...bindAddress(link), exclusive: true })
      await once(socket, 'listening')
      join(socket, link)
    } catch (error) {
      socket.close()
      if (error instanceof Error) this.#failure = error
      log.debug('mdns link not opened', { link: link.id, error })
      return false
    }
    if (this.#closed) {
      socket.close()
      return false
    }
    this.#sockets.set(link.id, { link, socket })
    socket.on('error', (error) => {
      log.debug('mdns link failed', { link: link.id, error })
      this.#drop(link.id)
    })
    socket.on('message', (bytes, from) => this.#receive(link, bytes, from))
    return true
  }

  #receive(link: Link, bytes: Uint8Array, from: { address: string; port: number }): void {
    const [source = '', zone] = from.address.split('%')
    if (!isOnLink(link, source, zone)) return
    const ownHost = this.#ownAddresses.has(source)
    this.#deps.receive({ bytes, link, source, port: from.port, ownHost })
  }

  #drop(id: string): void {
    this.#sockets.get(id)?.socket.close()
    this.#sockets.delete(id)
  }
}

/** The links of these interfaces, each once for every IP version it has. */
export function linksOf(interfaces: NodeJS.Dict<readonly NetworkInterfaceInfo[]>): Link[] {
  const links: Link[] = []
  for (const [name, infos = []] of Object.entries(interfaces)) {
    const addresses = infos.map(({ address }) => address)
    for (const family of [6, 4] as const) {
      const info = infos.find((candidate) => candidate.family === `IPv${family}`)
      if (info === undefined || links.length >= LINKS_MAX) continue
      const index = Math.max(0, ...infos.map((each) => each.scopeid ?? 0))
      const zone = process.platform === 'win32' ? String(index) : name
      const prefixBits = Number(info.cidr?.split('/')[1] ?? (family === 4 ? 32 : 128))
      const id = `${name} IPv${family} ${info.address} ${info.mac} ${index}`
      links.push({ id, family, zone, address: info.address, prefixBits, addresses })
    }
  }
  return links
}

/**
 * Whether a message really came in by this link (RFC 6762 §11). The kernel hands an IPv4 group
 * message to every socket bound to the group, whatever interface it came by, so the subnet decides.
 */
export function isOnLink(link: Link, source: string, zone: string | undefined): boolean {
  if (link.family === 6) return zone === undefined || zone === link.zone
  const bits = { v4: link.prefixBits, v6: 0 }
  return groupOf(source, bits) === groupOf(link.address, bits)
}

function bindAddress(link: Link): { address?: string } {
  return CAN_BIND_GROUP ? { address: groupOn(link) } : {}
}

function groupOn({ family, zone }: Link): string {
  return family === 4 ? GROUPS[4] : `${GROUPS[6]}%${zone}`
}

function join(socket: Socket, link: Link): void {
  const via = link.family === 4 ? link.address : `::%${link.zone}`
  socket.addMembership(GROUPS[link.family], via)
  socket.setMulticastInterface(via)
  socket.setMulticastTTL(HOPS)
  socket.setMulticastLoopback(true)
}
