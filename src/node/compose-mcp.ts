/** The tools of a node: what it offers, finds and calls, put together from the room `mcp`. */

import { join } from 'node:path'
import type { AccessPolicy } from '../access/index.ts'
import type { PeerId } from '../identity/index.ts'
import {
  type AnnouncementTopic,
  Directory,
  guardedLocal,
  InboundStreams,
  LocalCatalog,
  type McpMetrics,
  mcpMetrics,
  Neighbours,
  Outcomes,
  queueMetrics,
  Router,
  Scores,
  ServiceLinks,
  Services,
  Sessions,
} from '../mcp/index.ts'
import type { Libp2pHost } from '../net/index.ts'
import type { RpcClient, RpcServer } from '../rpc/index.ts'
import { approvalsOf } from './approvals-of.ts'
import { openJournal } from './call-journal.ts'
import { CALL_MS_MAX } from './check-args.ts'
import type { Given } from './compose.ts'
import { auditCalls, type GrantsFaceParts, openGrants } from './grant-parts.ts'
import type { NodeDht } from './injected.ts'
import { openResults, wholeOutcomes } from './large-results.ts'
import type { ResolvedConfig } from './load-config.ts'

export interface McpParts extends GrantsFaceParts {
  readonly self: PeerId
  readonly services: Services
  readonly directory: Directory
  readonly router: Router
  readonly scores: Scores
  readonly catalog: LocalCatalog
  /** How many requests of peers were answered so far. */
  readonly served: () => number
}

/** What the tools stand on. */
export interface BelowMcp {
  readonly host: Libp2pHost
  readonly policy: AccessPolicy
  readonly dht: NodeDht | null
  readonly rpc: { readonly server: RpcServer; readonly client: RpcClient }
  readonly topic: AnnouncementTopic | null
}

function percent(part: number, whole: number): number {
  return Math.min(100, Math.round((100 * part) / whole))
}

export function composeMcp(config: ResolvedConfig, given: Given, below: BelowMcp) {
  const { clock, random, version } = given
  const { host, policy, dht, rpc, topic } = below
  const log = given.log.child('mcp')
  const { metrics, served } = countingServed(mcpMetrics(given.registry))
  const room = { clock, random, log, metrics, network: config.network, version, host, policy }
  const path = join(config.dataDir, 'services.json')

  const { results, whole, services: giving } = openResults(config, given, { host, policy })
  const services = new Services({ ...room, path, results }, config.mcp)
  const { service: granting, ...granted } = openGrants(config, given)
  const { grants, held, audit } = granted
  const grantsFor: typeof held.for = (target, onBehalf) => held.for(target, onBehalf)
  const sessions = new Sessions(
    { ...room, grantsFor, whole },
    {
      // Whoever uses a session keeps the time; a limit of its own would cut short who has longer.
      requestTimeoutMs: CALL_MS_MAX,
      get attemptTimeoutMs() {
        return config.mcp.attemptTimeoutMs
      },
    },
  )
  const { journal, service: kept } = openJournal(config, given)
  auditCalls(services, audit)
  const inbound = new InboundStreams({ ...room, services, journal, grants, results }, config.mcp)
  queueMetrics(given.registry, inbound)
  // Without a DHT we find what those offer whom we are connected to, and nobody else.
  const neighbours = new Neighbours({ ...room, rpc })
  const finding = { dht: dht ?? neighbours, services, sessions }
  const load = () => percent(inbound.requestsInWork, config.mcp.concurrentMax)
  const scores = new Scores(clock)
  const directory = new Directory({ ...room, ...finding, topic, load, scores }, config.mcp)
  // Peers come over `inbound`; what a tool calls while it serves one is called for that peer.
  const local = guardedLocal({ self: host.self, services, grants })
  const outcomes = wholeOutcomes(new Outcomes(room, config.mcp), whole)
  const calling = { ...room, directory, sessions, local, outcomes, scores }
  const router = new Router(calling, config.mcp)
  const links = new ServiceLinks({ ...room, services, directory, grantsFor })
  const offered = { approvals: approvalsOf(config, log), links, services, sessions, directory }
  const catalog = new LocalCatalog({ ...room, ...offered, router }, config.mcp)

  const nearby = dht === null ? [neighbours] : []
  return {
    parts: {
      self: host.self,
      services,
      directory,
      router,
      scores,
      catalog,
      served,
      ...granted,
      sessions,
    },
    sessions,
    kept,
    started: [granting, ...giving, ...nearby, services, sessions, inbound, directory, catalog],
  }
}

/** The same metrics, which a person at a terminal sees a number of. */
function countingServed(metrics: McpMetrics): { metrics: McpMetrics; served: () => number } {
  let served = 0
  const requests: McpMetrics['requests'] = {
    add(amount = 1, labels = {}) {
      const { direction, outcome = '' } = labels
      if (direction === 'inbound' && ANSWERED.includes(outcome)) served += amount
      metrics.requests.add(amount, labels)
    },
  }
  return { metrics: { ...metrics, requests }, served: () => served }
}

const ANSWERED = ['ok', 'error']
