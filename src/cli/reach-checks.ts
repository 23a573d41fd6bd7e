/** What `p2p doctor` thinks of how the running node is reached: facts in, findings out. */

import type { NodeStatus } from '../node/index.ts'
import type { Finding } from './checks.ts'

/** Nothing of it fails: a node that nobody reaches still reaches others. */
export function reachChecks(status: NodeStatus): readonly Finding[] {
  return [reached(status), nat(status), portMapping(status), punching(status), relays(status)]
}

const FORWARD = 'forward its ports in the router, or add a relay as [network] relays'

function reached({ reachability, portMapping: { remedy } }: NodeStatus): Finding {
  const check = 'Reached'
  const { verdict, reason, relays: ours } = reachability
  if (verdict === 'public') return { check, verdict: 'ok', found: `directly: ${reason}` }
  if (verdict === 'unknown') return { check, verdict: 'ok', found: `not known: ${reason}` }
  if (ours.length > 0) {
    return { check, verdict: 'ok', found: `through ${ours.length} relays: ${reason}` }
  }
  return { check, verdict: 'warn', found: `by nobody: ${reason}`, remedy: remedy ?? FORWARD }
}

function nat({ reachability }: NodeStatus): Finding {
  const check = 'NAT'
  const { found, ip, quic, tcp } = reachability.nat
  if (found === undefined) return { check, verdict: 'ok', found: 'not known: nobody said yet' }
  if (!found) return { check, verdict: 'ok', found: 'none: others see our own address' }
  const what = `others see ${ip ?? 'another address'}; mapping: QUIC ${quic}, TCP ${tcp}`
  if (quic !== 'endpoint-dependent' && tcp !== 'endpoint-dependent') {
    return { check, verdict: 'ok', found: what }
  }
  const remedy = `Each connection gets another port, so holes cannot be punched: ${FORWARD}`
  return { check, verdict: 'warn', found: what, remedy }
}

function portMapping({ portMapping: mapping, reachability }: NodeStatus): Finding {
  const check = 'Router'
  const { state, reason, remedy, mappings } = mapping
  const mapped = mappings.filter((one) => one.state === 'mapped')
  if (state === 'active') {
    const ports = mapped.map(({ protocol, internal, external, via }) => {
      return `${protocol} ${internal.port} at ${external?.host}:${external?.port} by ${via}`
    })
    return { check, verdict: 'ok', found: `forwards ${ports.join(', ')}` }
  }
  if (state === 'off') return { check, verdict: 'ok', found: reason ?? 'not asked for ports' }
  const isFine = reachability.verdict === 'public'
  const found = reason ?? 'it forwards no ports'
  return { check, verdict: isFine ? 'ok' : 'warn', found, ...(remedy !== undefined && { remedy }) }
}

function punching({ reachability }: NodeStatus): Finding {
  const check = 'Hole punching'
  const { hub, tcp } = reachability.punching
  const ways = Object.entries({ QUIC: hub, TCP: tcp })
  const broken = ways.filter(([, { state }]) => state === 'unavailable')
  if (broken.length === 0) {
    const able = ways.filter(([, { state }]) => state === 'active').map(([name]) => name)
    const found = able.length === 0 ? 'off' : `possible over ${able.join(' and ')}`
    return { check, verdict: 'ok', found }
  }
  const found = broken.map(([name, { reason }]) => `${name}: ${reason ?? 'unavailable'}`).join('; ')
  const remedy = broken.map(([, facility]) => facility.remedy).find((text) => text !== undefined)
  return { check, verdict: 'warn', found, ...(remedy !== undefined && { remedy }) }
}

function relays({ reachability }: NodeStatus): Finding {
  const check = 'Relays'
  const { relays: ours, relaying } = reachability
  const used = ours.length === 0 ? 'none in use' : `reached through ${ours.length}`
  const own = relaying.serving ? `; relays for ${relaying.reservations} peers itself` : ''
  return { check, verdict: 'ok', found: `${used}${own}` }
}
