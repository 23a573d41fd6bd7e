/** What a person is told of a router: whether it maps ports, why not, and what would help. */

import type { Facility } from './facility.ts'
import type { ListenedPort } from './portmap-lease.ts'
import type { PortmapSession } from './portmap-session.ts'

export const NOTHING_TO_MAP = 'this machine has a public address: nothing is to be mapped'
export const CONNECT = 'connect this machine to a network'

const WITHOUT = 'without, peers are reached by hole punching and relays'
const BEHIND_NAT = `ask the provider for a public IPv4 address, or use IPv6; ${WITHOUT}`

/** One router's case, from the mappings that it gave and the protocols that it refused. */
export function statusOf(
  session: Pick<PortmapSession, 'route' | 'tried' | 'works' | 'mappings'>,
  ports: readonly ListenedPort[],
): Facility {
  const { route, tried, works } = session
  const rows = session.mappings()
  if (rows.some(({ state }) => state === 'mapped')) return { state: 'active' }
  const remedy = byHand(route.local, ports)
  const behind = rows.find(({ state }) => state === 'behind-nat')
  if (behind !== undefined) return unavailable(behind.reason, BEHIND_NAT)
  if (tried.length > 0 && !works) {
    const said = tried.map(({ via, reason }) => `${via}: ${reason}`).join(', ')
    const reason = `router ${route.router} maps no ports (${said})`
    // A public address may well be reachable as it is: no lack that we know of.
    return route.family === 6 ? { state: 'off', reason } : unavailable(reason, remedy)
  }
  const failed = rows.find(({ reason }) => reason !== null)
  if (failed !== undefined) {
    const what = `${failed.protocol.toUpperCase()} ${failed.internal.port}`
    return unavailable(`router ${route.router} does not map ${what}: ${failed.reason}`, remedy)
  }
  if (ports.length === 0) return { state: 'off', reason: `nothing listens at ${route.local}` }
  return { state: 'off', reason: `router ${route.router} is being asked` }
}

function byHand(local: string, ports: readonly ListenedPort[]): string {
  const names = ports.map(({ protocol, port }) => `${protocol.toUpperCase()} ${port}`).join(', ')
  return (
    'turn on UPnP, NAT-PMP or PCP in the router, or forward ' +
    `${names || 'the ports of this node'} to ${local} by hand; ${WITHOUT}`
  )
}

function unavailable(reason: string | null, remedy: string): Facility {
  return { state: 'unavailable', reason: reason ?? 'the router did not say why', remedy }
}
