/**
 * What crosses the API, as schemas. They are the shapes of `node/shapes.ts` and `mcp/tool.ts`,
 * written once more because a type cannot check JSON; a test compiles only while they agree.
 */

import { z } from 'zod'
import { attempt, explanation } from './calls/api.ts'
import { exposure } from './grants/api.ts'
import { facility, portMapping, reachability } from './reach/api.ts'
import { publicity, told } from './tools/api.ts'

/** Bounds of what a caller may send; answers are ours and need none. */
export const NAME_MAX = 256
export const VALUE_MAX = 65_536
const PATH_MAX = 4_096
const ARGS_MAX = 1_000

export const json = z.record(z.string(), z.unknown())

export const health = z.object({
  status: z.enum(['ok', 'degraded', 'failing']),
  reasons: z.array(z.string()).readonly(),
  alive: z.literal(true),
  ready: z.boolean(),
})

export const status = z.object({
  peerId: z.string(),
  ethAddress: z.string().nullable(),
  words: z.string().nullable(),
  listen: z.array(z.string()).readonly(),
  peers: z.number(),
  network: z.string(),
  version: z.string(),
  health,
  quic: facility,
  tunnel: facility,
  reachability,
  portMapping,
  registry: facility.optional(),
  uptimeMs: z.number(),
  dataDir: z.string(),
})

const activity = z.object({
  bytesIn: z.number(),
  bytesOut: z.number(),
  toolsOffered: z.number(),
  calls: z.number(),
  served: z.number(),
  dhtRecords: z.number(),
  memoryBytes: z.number(),
})

/** The status of the node with what it did so far. */
export const servedStatus = status.extend({ activity })

const connection = z.object({
  address: z.string(),
  direction: z.enum(['inbound', 'outbound']),
  transport: z.string(),
  path: z.enum(['direct', 'mapped', 'punched', 'relayed']),
  openedAtMs: z.number(),
  streams: z.number(),
})

export const peerStatus = z.object({
  peer: z.string(),
  connections: z.array(connection).readonly(),
  protocols: z.array(z.string()).readonly(),
})

const counts = z.record(z.string(), z.number())

const scopeReport = z.object({
  scope: z.string().describe('system, transient, peer or protocol'),
  name: z.string(),
  used: counts,
  limits: counts.describe('What is not named has no limit of its own'),
})

export const resourceReport = z.object({
  system: scopeReport,
  transient: scopeReport,
  peers: z.array(scopeReport).readonly(),
  protocols: z.array(scopeReport).readonly(),
  peersLeftOut: z.number(),
})

export const toolInfo = z.object({
  name: z.string(),
  description: z.string(),
  inputSchema: json,
  outputSchema: json.optional(),
  idempotent: z.boolean(),
  readOnly: z.boolean(),
})

export const toolResult = z.object({
  content: z.array(z.unknown()).readonly(),
  structuredContent: json.optional(),
  isError: z.boolean().optional(),
})

export const callResult = toolResult.extend({
  peer: z.string(),
  attempts: z.array(attempt).readonly(),
  explain: explanation.optional().describe('Where it was asked for'),
})

const failure = z.object({ peer: z.string(), code: z.string() })

export const identityReport = z.object({
  peer: z.string(),
  identity: z
    .object({
      publicKey: z.string().describe('Ed25519, as hex'),
      ipv6Endpoints: z.array(z.string()).readonly(),
      endpoints: z.array(z.string()).readonly(),
      capabilities: z.array(z.string()).readonly(),
      lastSeenMs: z.number().describe('When the peer said this, in ms since 1970'),
    })
    .nullable()
    .describe('Null when nobody who answered has it'),
  answered: z.array(z.string()).readonly(),
  failed: z.array(failure).readonly(),
  complete: z.boolean().describe('Whether the search went on until nobody was left to ask'),
})

export const routingTable = z.object({
  peer: z.string(),
  buckets: z
    .array(z.object({ sharedBits: z.number(), peers: z.array(z.string()).readonly() }))
    .readonly(),
})

const source = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('stdio'),
    command: z.string().min(1).max(PATH_MAX),
    args: z.array(z.string().max(VALUE_MAX)).max(ARGS_MAX).readonly(),
    cwd: z.string().min(1).max(PATH_MAX),
    env: z.record(z.string(), z.string()).readonly(),
  }),
  z.strictObject({ kind: z.literal('http'), url: z.url({ protocol: /^https?$/ }).max(PATH_MAX) }),
])

export const spec = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
  source,
  exposure: exposure.exactOptional(),
  publicity: publicity.exactOptional(),
})

export const serviceStatus = z.object({
  name: z.string(),
  state: z.enum(['starting', 'ready', 'restarting', 'failed', 'stopped']),
  tools: z.array(toolInfo).readonly(),
  restarts: z.number(),
  reason: z.string().optional(),
  detached: z.boolean(),
  exposure: exposure.optional(),
  ...told,
})

export const putReport = z.object({
  key: z.string(),
  version: z.number(),
  stored: z.array(z.string()).readonly(),
  failed: z.array(failure).readonly(),
  wanted: z.number(),
})

export const encoding = z.enum(['text', 'base64'])

export const getReport = z.object({
  key: z.string(),
  value: z.string().nullable(),
  encoding: encoding.describe('How the value is written: base64 where it is not UTF-8'),
  publisher: z.string().nullable(),
  version: z.number().nullable(),
  answered: z.array(z.string()).readonly(),
  failed: z.array(failure).readonly(),
})

/** A node's answer to who it is (`proof.ts`). */
export const proof = z.object({
  peerId: z.string().max(128),
  proof: z.string().regex(/^[0-9a-f]{64}$/),
})

const atMs = z.number().describe('When it happened, in ms since 1970')

/** What `/v1/events` tells, one shape for each kind; `lagged` has no time of its own. */
const nodeEvent = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('ready').describe('The first of a stream: who speaks'),
    atMs,
    peerId: z.string(),
    listen: z.array(z.string()).readonly(),
    version: z.string(),
  }),
  z.object({ event: z.literal('peer-connected'), atMs, peer: z.string() }),
  z.object({ event: z.literal('peer-disconnected'), atMs, peer: z.string() }),
  z.object({
    event: z.literal('addresses-changed'),
    atMs,
    listen: z.array(z.string()).readonly(),
  }),
  z.object({
    event: z.literal('service-exposed'),
    atMs,
    service: z.string(),
    state: z.string(),
    tools: z.number(),
  }),
  z.object({ event: z.literal('service-withdrawn'), atMs, service: z.string() }),
  z.object({
    event: z.literal('call-served').describe('A tool of ours was called by a peer'),
    atMs,
    tool: z.string(),
    peer: z.string(),
    ms: z.number(),
    code: z.string().describe('ok, error, refused, deadline or failed'),
  }),
  z.object({
    event: z.literal('message').describe('A peer sent a text with relay_message'),
    atMs,
    id: z.string(),
    from: z.string().describe('Its author, proven by a signature'),
    by: z.string().describe('Who handed it over: its author, or a relay'),
    body: z.string(),
    sentAtMs: z.number(),
  }),
  z.object({
    event: z.literal('configured').describe('The tool configure changed the configuration'),
    atMs,
    caller: z.string().nullable().describe('Null for this node itself or its assistant'),
    keys: z.array(z.string()).readonly(),
    persisted: z.boolean(),
    reverted: z.boolean(),
  }),
  z.object({
    event: z.literal('agent').describe('An agent came, or went'),
    atMs,
    state: z.enum(['here', 'left']),
    address: z.string(),
    peer: z.string(),
    name: z.string().describe('What it calls itself; nothing proves it'),
  }),
  z.object({
    event: z.literal('delivery').describe('A message of ours came to another state'),
    atMs,
    id: z.string(),
    to: z.string(),
    state: z.string().describe('queued, sent, stored, delivered, read, expired or failed'),
    reason: z.string().exactOptional(),
  }),
  z.object({ event: z.literal('health-changed'), atMs, health }),
  z.object({ event: z.literal('notice'), atMs, text: z.string() }),
])

/** So many events were left out for a reader that was too slow. */
const lagged = z.object({ event: z.literal('lagged'), missed: z.number() })

/** Any event of a stream. */
export const streamEvent = z.union([nodeEvent, lagged])

/** What happened to the node itself. */
export type NodeEvent = z.output<typeof nodeEvent>
/** One event of `/v1/events`: of the node, or of this reader alone. */
export type StreamEvent = z.output<typeof streamEvent>

export const errorBody = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    facts: z.unknown(),
    retryable: z.boolean(),
  }),
})

/** `node.json` in the data folder, as the node writes it. */
export const runFile = z.object({
  pid: z.number(),
  peerId: z.string(),
  api: z.url({ protocol: /^http$/ }),
  mcp: z.string().nullable(),
  grpc: z.string().nullable(),
  listen: z.array(z.string()).readonly(),
  startedAt: z.string(),
})
