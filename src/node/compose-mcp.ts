/** The tools of a node: what it offers, finds and calls, put together from the room `mcp`. */

import { join } from 'node:path'
import type { AccessPolicy } from '../access/index.ts'
import type { PeerId } from '../identity/index.ts'
import {
  type AnnouncementTopic,
  CallRelay,
  Directory,
  guardedLocal,
  HeldInvitations,
  HeldTools,
  type HeldToolsDeps,
  InboundStreams,
  LocalCatalog,
  listingThrough,
  type McpMetrics,
  mcpMetrics,
  Neighbours,
  Outcomes,
  outcomeHost,
  queueMetrics,
  RelayedCalls,
  RelayedServer,
  ResultParts,
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
  readonly addresses: () => readonly string[]
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
  const base = baseOf(config, given, below)
  const { room, served } = base
  const offering = composeOffering(base, { config, given })
  const finding = composeFinding(base, offering, { config, below })
  const { catalog, router, carrying } = composeCalling(
    base,
    { offering, finding },
    { config, given },
  )

  const { grants, held, audit, granting } = base.rights
  const { services, giving, kept, inbound } = offering
  const { sessions, directory, scores, nearby } = finding
  return {
    parts: {
      self: room.host.self,
      addresses: () => room.host.addresses(),
      services,
      directory,
      router,
      scores,
      catalog,
      served,
      grants,
      held,
      audit,
      sessions,
    },
    sessions,
    kept,
    started: [
      granting,
      ...giving,
      ...nearby,
      services,
      sessions,
      inbound,
      carrying,
      directory,
      catalog,
    ],
  }
}

/** What all parts of this room want, and who may do what. */
function baseOf(config: ResolvedConfig, given: Given, { host, policy }: BelowMcp) {
  const { clock, random, version } = given
  const log = given.log.child('mcp')
  const { metrics, served } = countingServed(mcpMetrics(given.registry))
  const room = { clock, random, log, metrics, network: config.network, version, host, policy }
  const { service: granting, ...granted } = openGrants(config, given)
  const grantsFor: typeof granted.held.for = (target, onBehalf) => {
    return granted.held.for(target, onBehalf)
  }
  return { room, served, grantsFor, rights: { granting, ...granted } }
}

type Base = ReturnType<typeof baseOf>
type Offering = ReturnType<typeof composeOffering>
type Finding = ReturnType<typeof composeFinding>

/** What this node serves: services, and the streams on which peers call them. */
function composeOffering(
  { room, rights }: Base,
  { config, given }: { readonly config: ResolvedConfig; readonly given: Given },
) {
  const path = join(config.dataDir, 'services.json')
  const { results, whole, services: giving } = openResults(config, given, room)
  const services = new Services({ ...room, path, results }, config.mcp)
  const { journal, service: kept } = openJournal(config, given)
  auditCalls(services, rights.audit)
  const streams = { ...room, services, journal, grants: rights.grants, results }
  const inbound = new InboundStreams(streams, config.mcp)
  queueMetrics(given.registry, inbound)
  return { services, giving, kept, inbound, results, whole }
}

/** Who offers what, and the sessions in which it is read. */
function composeFinding(
  { room, grantsFor }: Base,
  { services, inbound, whole }: Offering,
  { config, below }: { readonly config: ResolvedConfig; readonly below: BelowMcp },
) {
  const { dht, rpc, topic } = below
  const invitations = new HeldInvitations({ self: room.host.self, clock: room.clock })
  const sessions = new Sessions(
    { ...room, grantsFor, invitations, whole },
    {
      // Whoever uses a session keeps the time; a limit of its own would cut short who has longer.
      requestTimeoutMs: CALL_MS_MAX,
      get attemptTimeoutMs() {
        return config.mcp.attemptTimeoutMs
      },
    },
  )
  // Without a DHT we find what those offer whom we are connected to, and nobody else.
  const neighbours = new Neighbours({ ...room, rpc })
  const load = () => percent(inbound.requestsInWork, config.mcp.concurrentMax)
  const scores = new Scores(room.clock)
  const places = { dht: dht ?? neighbours, services, sessions, invitations }
  const directory = new Directory({ ...room, ...places, topic, load, scores }, config.mcp)
  const nearby = dht === null ? [neighbours] : []
  return { invitations, sessions, directory, scores, nearby }
}

/** The calls that go out: by whom, on which way, and what an assistant sees of them. */
function composeCalling(
  base: Base,
  { offering, finding }: { readonly offering: Offering; readonly finding: Finding },
  { config, given }: { readonly config: ResolvedConfig; readonly given: Given },
) {
  const { room, grantsFor, rights } = base
  const { services, inbound, results, whole } = offering
  const { invitations, sessions, directory, scores } = finding
  const { host, clock } = room
  const { signer } = given.keys
  // Peers come over `inbound`; what a tool calls while it serves one is called for that peer.
  const local = guardedLocal({ self: host.self, services, grants: rights.grants })
  const relayed = new RelayedCalls({ ...room, signer, grantsFor, invitations }, config.mcp)
  const asking = { ...room, host: outcomeHost(host, relayed) }
  const outcomes = wholeOutcomes(new Outcomes(asking, config.mcp), whole)
  const server = new RelayedServer({ ...room, signer, streams: inbound }, config.mcp)
  const carrying = new CallRelay({ ...room, server }, config.mcp)
  const listing = listingThrough(sessions, relayed)
  const approvals = approvalsOf(config, room.log)
  const nameOf: HeldToolsDeps['nameOf'] = (place) => catalog.nameOf(place)
  const held = new HeldTools({ self: host.self, approvals, sessions: listing, clock, nameOf })
  const ways = { relayed, directory, sessions, local, outcomes, scores, invitations, held }
  const router = new Router({ ...room, ...ways }, config.mcp)
  const parts = new ResultParts({ store: results, self: host.self })
  const large = { whole, parts }
  const links = new ServiceLinks({ ...room, services, directory, grantsFor, invitations, large })
  const offered = { approvals, parts, links, services, sessions: listing, directory }
  const catalog = new LocalCatalog({ ...room, ...offered, router, scores }, config.mcp)
  return { router, catalog, carrying }
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
