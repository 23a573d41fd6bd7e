/** What ails a node, and what would help: facts in, a report out, and nothing else. */

import type { Facility, HealthReport } from './shapes.ts'

/** What the node knows of itself at one moment. */
export interface HealthFacts {
  /** Whether every service has started and none has stopped. */
  readonly started: boolean
  readonly peersConnected: number
  /** The multiaddrs that the node listens at. */
  readonly listen: readonly string[]
  /** First peers that were tried: those configured, remembered or found nearby. */
  readonly bootstrap: {
    readonly configured: number
    readonly failed: readonly { readonly address: string; readonly reason: string }[]
  }
  readonly quic: Facility
  /** The datagram face of the DHT. */
  readonly datagrams: Facility
  /** The registry of agents, where the node is one. */
  readonly registry?: Facility
  /** Why new work is refused for want of memory, and what would help; null while it is not. */
  readonly memory?: string | null
  /** Null while the store of records can be written; else why it cannot. */
  readonly storeFailure: string | null
  readonly services: readonly {
    readonly name: string
    readonly state: 'starting' | 'ready' | 'restarting' | 'failed' | 'stopped'
    readonly reason?: string
  }[]
}

const FAILURES_NAMED_MAX = 3

/**
 * `failing` when the node cannot do its work at all, `degraded` when it does less than it was set
 * up for. Ready means that it can serve: it has started, listens, and its store takes writes.
 */
export function assess(facts: HealthFacts): HealthReport {
  const failures = failuresOf(facts)
  const reasons = [...failures, ...lacksOf(facts)]
  const worst = failures.length > 0 ? 'failing' : 'degraded'
  return {
    status: reasons.length === 0 ? 'ok' : worst,
    reasons,
    alive: true,
    ready: failures.length === 0,
  }
}

function failuresOf({ started, listen, storeFailure }: HealthFacts): string[] {
  return [
    ...(started ? [] : ['not started: services are still starting or have stopped; see the log']),
    ...(started && listen.length === 0
      ? ['no listening address: nobody can reach this node; see the log for the port that failed']
      : []),
    ...(storeFailure === null
      ? []
      : [
          `store not writable: ${storeFailure}; free space or repair the data folder, then restart`,
        ]),
  ]
}

function lacksOf(facts: HealthFacts): string[] {
  const { quic, datagrams } = facts
  return [
    ...(facts.peersConnected > 0 ? [] : [noPeers(facts.bootstrap)]),
    ...(quic.state === 'unavailable'
      ? [`no QUIC: ${quic.reason ?? 'unknown reason'}${quic.remedy ? `; ${quic.remedy}` : ''}`]
      : []),
    ...(datagrams.state === 'unavailable'
      ? [`no datagrams: ${datagrams.reason ?? 'unknown reason'}`]
      : []),
    ...(facts.registry?.state === 'unavailable' ? [noRegistry(facts.registry)] : []),
    ...(typeof facts.memory === 'string' ? [facts.memory] : []),
    ...facts.services
      .filter(({ state }) => state === 'failed' || state === 'restarting')
      .map(({ name, state, reason }) => {
        return `service "${name}" is ${state}: ${reason ?? 'no reason known'}; see the log`
      }),
  ]
}

function noRegistry({ reason = 'unknown reason', remedy = '' }: Facility): string {
  return `no agent registry: ${reason}${remedy && `; ${remedy}`}`
}

function noPeers({ configured, failed }: HealthFacts['bootstrap']): string {
  if (failed.length === 0) {
    const state = configured === 0 ? 'no bootstrap peer is configured' : 'still trying'
    return `no peers: ${state} and nobody was found nearby; add one with p2p connect <address>`
  }
  const named = failed
    .slice(0, FAILURES_NAMED_MAX)
    .map(({ address, reason }) => `${address} (${reason})`)
  const rest = failed.length - named.length
  const list = `${named.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
  return `no peers: could not reach ${list}; check these addresses and this host's connection`
}
