/**
 * Which addresses a node can really listen on, found by binding each of them for a moment.
 *
 * TCP and UDP ports are separate spaces, and so are IPv6 (bound IPv6-only) and IPv4: the addresses
 * of one kind and port move together, so that a node has one TCP and one UDP port. A default port
 * that is busy moves to the next free one; one that somebody asked for is an error that names its
 * holder.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { NetError } from './errors.ts'
import { portHolder } from './port-holder.ts'
import { type Address, parseListenAddress } from './transports.ts'

export type PortKind = 'tcp' | 'udp'

export interface PortMove {
  readonly kind: PortKind
  readonly wanted: number
  readonly taken: number
}

export interface ListenPlan {
  readonly listen: readonly string[]
  readonly moved: readonly PortMove[]
  /** Addresses of a kind that this host does not have, such as any IPv6. */
  readonly unavailable: readonly { readonly address: string; readonly reason: string }[]
}

/** What became of binding one address: `absent` when the host has no such address. */
export type Binding = 'free' | 'busy' | 'absent' | 'forbidden'

/** Binds for a moment and lets go; a test answers from a table. */
export type Probe = (kind: PortKind, host: string, port: number) => Promise<Binding>

const MOVES_MAX = 100

/** Decides where to listen. `movable` says that the ports are defaults, which nobody asked for. */
export async function planListening(
  listen: readonly string[],
  movable: boolean,
  probe: Probe = probeByBinding,
): Promise<ListenPlan> {
  const plan = { listen: [] as string[], moved: [] as PortMove[], unavailable: [] as Missing[] }
  const groups = Map.groupBy(listen.map(parseListenAddress), groupKey)
  for (const [key, group] of groups) {
    if (key === MEMORY) plan.listen.push(...group.map(({ text }) => text))
    else await planGroup(group, movable, probe, plan)
  }
  return plan
}

/** The real probe: a socket of the same kind and options as the transports use. */
export const probeByBinding: Probe = async (kind, host, port) => {
  try {
    await (kind === 'tcp' ? bindTcp(host, port) : bindUdp(host, port))
    return 'free'
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE') return 'busy'
    if (code === 'EACCES' || code === 'EPERM') return 'forbidden'
    return 'absent'
  }
}

interface Missing {
  readonly address: string
  readonly reason: string
}

const MEMORY = 'memory'

function groupKey({ transport, port }: Address): string {
  return transport === 'memory' ? MEMORY : `${kindOf(transport)}/${port ?? 0}`
}

function kindOf(transport: Address['transport']): PortKind {
  return transport === 'quic' ? 'udp' : 'tcp'
}

async function planGroup(
  group: readonly Address[],
  movable: boolean,
  probe: Probe,
  plan: { listen: string[]; moved: PortMove[]; unavailable: Missing[] },
): Promise<void> {
  const wanted = group[0]?.port ?? 0
  const kind = kindOf(group[0]?.transport ?? 'tcp')
  const last = movable && wanted > 0 ? Math.min(wanted + MOVES_MAX, 65_535) : wanted
  for (let port = wanted; port <= last; port += 1) {
    const found = await Promise.all(
      group.map(async (address) => ({
        address,
        binding: await probe(kind, address.host?.value ?? '', port),
      })),
    )
    const busy = found.find(({ binding }) => binding === 'busy' || binding === 'forbidden')
    if (busy !== undefined) {
      if (port === last) throw await cannotListen(busy.address, busy.binding, kind)
      continue
    }
    for (const { address, binding } of found) {
      if (binding === 'free') plan.listen.push(atPort(address, port))
      else plan.unavailable.push(missing(address, movable))
    }
    if (port !== wanted) plan.moved.push({ kind, wanted, taken: port })
    return
  }
}

/** Without IPv6 the wildcard is missing and the rest works; a given address must exist. */
function missing(address: Address, movable: boolean): Missing {
  const isWildcard = address.host?.value === '::' || address.host?.value === '0.0.0.0'
  const reason = isWildcard
    ? `this machine has no ${address.host.kind === 'ip6' ? 'IPv6' : 'IPv4'}`
    : 'this machine has no such address'
  if (!isWildcard && !movable) throw NetError.LISTEN_FAILED({ address: address.text, reason })
  return { address: address.text, reason }
}

async function cannotListen(address: Address, binding: Binding, kind: PortKind) {
  const port = address.port ?? 0
  if (binding === 'forbidden') {
    const reason = `${kind} port ${port} needs a privilege that this user does not have`
    return NetError.LISTEN_FAILED({ address: address.text, reason })
  }
  const holder = await portHolder(kind, port)
  return NetError.PORT_BUSY({ port, kind, address: address.text, holder })
}

function atPort({ text, port }: Address, taken: number): string {
  return text.replace(new RegExp(`/(tcp|udp)/${port ?? 0}(?=/|$)`), `/$1/${taken}`)
}

async function bindTcp(host: string, port: number): Promise<void> {
  const server = createServer()
  server.listen({ host, port, ipv6Only: host.includes(':'), exclusive: true })
  try {
    await once(server, 'listening')
  } finally {
    if (server.listening) {
      server.close()
      await once(server, 'close')
    }
  }
}

async function bindUdp(host: string, port: number): Promise<void> {
  const isIpv6 = host.includes(':')
  const socket = createSocket({ type: isIpv6 ? 'udp6' : 'udp4', ipv6Only: isIpv6 })
  try {
    socket.bind({ address: host, port, exclusive: true })
    await once(socket, 'listening')
  } finally {
    socket.close()
  }
}
