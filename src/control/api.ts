/**
 * The operations of the API in one table: routes, the OpenAPI document and the client are made from
 * it. A new operation is a row here, a handler in `routes.ts`, and a method in `client.ts`.
 */

import { z } from 'zod'
import { agentOperations } from './shapes/agents/api.ts'
import {
  encoding,
  getReport,
  health,
  identityReport,
  json,
  NAME_MAX,
  peerStatus,
  proof,
  putReport,
  resourceReport,
  routingTable,
  servedStatus,
  serviceStatus,
  spec,
  streamEvent,
  toolInfo,
  toolResult,
  VALUE_MAX,
} from './shapes/api.ts'
import { catalogOperations } from './shapes/catalog/api.ts'
import { grantOperations } from './shapes/grants/api.ts'
import { messageOperations } from './shapes/messages/api.ts'
import { nameOperations } from './shapes/names/api.ts'
import { CALL_BODY_BYTES_MAX, callOperations } from './shapes/output/api.ts'
import { invited, toolEntry, toolsQuery } from './shapes/tools/api.ts'

export { CALL_BODY_BYTES_MAX }

const ADDRESS_MAX = 1_024
const TIMEOUT_MS_MAX = 3_600_000
const BODY_BYTES_MAX = 1_048_576

const name = z.string().min(1).max(NAME_MAX)
const peer = z.string().min(1).max(128).describe('A peer id in base58')
const timeoutMs = z.int().min(1).max(TIMEOUT_MS_MAX)

/** One row of the table. `text` answers are not JSON, or are a document of their own. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly summary: string
  readonly query?: z.ZodObject
  readonly params?: z.ZodObject
  readonly body?: z.ZodObject
  readonly bodyBytesMax: number
  readonly response: z.ZodType
  /** What the answer is when it is not plain JSON. */
  readonly contentTypes?: readonly string[]
}

const get = { method: 'GET', bodyBytesMax: BODY_BYTES_MAX } as const
const post = { method: 'POST', bodyBytesMax: BODY_BYTES_MAX } as const
const callPost = { method: 'POST', bodyBytesMax: CALL_BODY_BYTES_MAX } as const
const put = { method: 'PUT', bodyBytesMax: BODY_BYTES_MAX } as const
const remove = { method: 'DELETE', bodyBytesMax: BODY_BYTES_MAX } as const

const target = z.string().min(1).max(ADDRESS_MAX).describe('A peer id, a multiaddr, or words')
const peerParams = z.strictObject({ peer })
const key = z.string().min(1).max(ADDRESS_MAX)
const waits = z.strictObject({ timeoutMs: timeoutMs.exactOptional() })

const text = z.string()
const done = z.object({ done: z.literal(true) })

/** The table. A path parameter is written `:name`, as the router wants it. */
export const operations = {
  health: { ...get, path: '/health', summary: 'Whether the node is alive', response: health },
  ready: { ...get, path: '/ready', summary: 'Whether the node can serve', response: health },
  prove: {
    ...get,
    path: '/proof',
    summary:
      'Proof that this node knows its token, so that a client need not show it to a stranger',
    query: z.strictObject({ nonce: z.string().regex(/^[A-Za-z0-9_-]{22,64}$/) }),
    response: proof,
  },
  metrics: {
    ...get,
    path: '/metrics',
    summary: 'Metrics as Prometheus text, or as OpenMetrics where Accept asks for it',
    response: text,
    contentTypes: ['text/plain', 'application/openmetrics-text'],
  },
  openapi: { ...get, path: '/openapi.json', summary: 'This document', response: json },
  debugPeers: {
    ...get,
    path: '/debug/peers',
    summary: 'Every connection, its transport, direction and streams; what is in use of limits',
    response: z.object({ peers: z.array(peerStatus).readonly(), resources: resourceReport }),
  },
  debugDht: {
    ...get,
    path: '/debug/dht',
    summary: 'The routing table of the DHT, bucket by bucket',
    response: routingTable,
  },
  status: {
    ...get,
    path: '/v1/status',
    summary: 'Who and how this node is',
    response: servedStatus,
  },
  events: {
    ...get,
    path: '/v1/events',
    summary: 'What happens to this node, as server-sent events, until the caller leaves',
    response: streamEvent,
    contentTypes: ['text/event-stream'],
  },
  config: {
    ...get,
    path: '/v1/config',
    summary: 'The effective configuration, as TOML',
    response: z.object({ toml: z.string() }),
  },
  reconfigure: {
    method: 'PATCH',
    bodyBytesMax: BODY_BYTES_MAX,
    path: '/v1/config',
    summary: 'Change keys of the running node, until it is restarted; names those that must wait',
    body: z.strictObject({
      changes: z
        .record(z.string().min(1).max(NAME_MAX), z.unknown())
        .describe('Values by key, such as "mcp.request_timeout"; null is what the preset says'),
    }),
    response: z.object({
      now: z.array(z.string()).readonly(),
      restart: z.array(z.string()).readonly(),
    }),
  },
  peers: {
    ...get,
    path: '/v1/peers',
    summary: 'The peers connected now',
    response: z.array(peerStatus).readonly(),
  },
  connect: {
    ...post,
    path: '/v1/peers',
    summary: 'Connect to a peer',
    body: z.strictObject({ target, timeoutMs: timeoutMs.exactOptional() }),
    response: z.object({ peer: z.string() }),
  },
  disconnect: {
    ...remove,
    path: '/v1/peers/:peer',
    summary: 'Close every connection to a peer; either side may dial again',
    params: peerParams,
    response: done,
  },
  ping: {
    ...post,
    path: '/v1/peers/:peer/ping',
    summary: 'Measure the round trip to a peer',
    params: peerParams,
    body: waits,
    response: z.object({ peer: z.string(), ms: z.number() }),
  },
  identity: {
    ...get,
    path: '/v1/peers/:peer/identity',
    summary: 'Who a peer says it is: endpoints, capabilities and when it was last seen, signed',
    params: peerParams,
    response: identityReport,
  },
  tools: {
    ...get,
    path: '/v1/tools',
    summary: 'Find tools on this node and its peers',
    query: toolsQuery,
    response: z.array(toolEntry).readonly(),
  },
  ...callOperations,
  catalogList: {
    ...get,
    path: '/v1/catalog',
    summary: 'Every tool in reach under a unique name, with its schema',
    response: z.array(toolInfo).readonly(),
  },
  catalogCall: {
    ...callPost,
    path: '/v1/catalog/call',
    summary: 'Call a tool by its unique name',
    body: z.strictObject({
      name,
      args: json.default({}),
      timeoutMs: timeoutMs.exactOptional(),
    }),
    response: toolResult,
  },
  services: {
    ...get,
    path: '/v1/services',
    summary: 'The services that this node offers',
    response: z.array(serviceStatus).readonly(),
  },
  expose: {
    ...post,
    path: '/v1/services',
    summary: 'Offer an MCP server until it is withdrawn, across restarts',
    body: spec,
    response: serviceStatus,
  },
  exposeAttached: {
    ...post,
    path: '/v1/services/attached',
    summary: 'Offer an MCP server for as long as this answer, one status per line, is read',
    body: spec,
    response: text,
    contentTypes: ['application/x-ndjson'],
  },
  invitation: {
    ...get,
    path: '/v1/services/:name/invitation',
    summary: 'What somebody needs to find a blinded service of this node; as secret as a password',
    params: z.strictObject({ name }),
    response: invited,
  },
  unexpose: {
    ...remove,
    path: '/v1/services/:name',
    summary: 'Withdraw a service',
    params: z.strictObject({ name }),
    response: done,
  },
  ...catalogOperations,
  ...grantOperations,
  dhtPut: {
    ...put,
    path: '/v1/dht',
    summary: 'Publish a record',
    body: z.strictObject({
      key,
      value: z.string().max(VALUE_MAX),
      encoding: encoding.default('text'),
      timeoutMs: timeoutMs.exactOptional(),
    }),
    response: putReport,
  },
  dhtGet: {
    ...get,
    path: '/v1/dht',
    summary: 'Read a record',
    query: z.strictObject({ key, encoding: encoding.default('text') }),
    response: getReport,
  },
  ...nameOperations,
  ...agentOperations,
  ...messageOperations,
} as const satisfies Record<string, Operation>

export type Operations = typeof operations
/** The name of a row, which is also its `operationId` in the OpenAPI document. */
export type OperationName = keyof Operations

type Part<Name extends OperationName, Key extends string> = Operations[Name] extends {
  readonly [K in Key]: infer Schema
}
  ? Schema
  : never

type Input<Schema> = [Schema] extends [never] ? unknown : z.input<Schema>
type Output<Schema> = [Schema] extends [never] ? unknown : z.output<Schema>

/** What a caller sends: parameters of path, query and body in one object; their names differ. */
export type Sent<Name extends OperationName> = Input<Part<Name, 'params'>> &
  Input<Part<Name, 'query'>> &
  Input<Part<Name, 'body'>>

/** What a handler is given: the same, checked, with defaults filled in. */
export type Given<Name extends OperationName> = Output<Part<Name, 'params'>> &
  Output<Part<Name, 'query'>> &
  Output<Part<Name, 'body'>>

export type Answer<Name extends OperationName> = z.output<Operations[Name]['response']>
