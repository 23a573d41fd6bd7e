/**
 * The node's API over HTTP, with its OpenAPI 3.0 document.
 *
 * Requests arrive through a guarded listener; fastify routes them, zod checks what comes in and
 * what goes out, and both come from the table in `api.ts`.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Clock, firstUse, type Logger, type Registry } from '../base/index.ts'
import { parseJson } from '../wire/index.ts'
import { type Given, type Operation, type OperationName, operations } from './api.ts'
import { callToOutput } from './call-output.ts'
import { DOCS_PATHS, Docs, type DocsDocument } from './docs.ts'
import { endWithError, errorBody, sendError, statusOf, takesTrailers } from './error-reply.ts'
import { ControlError } from './errors.ts'
import type { EventFeed } from './event-feed.ts'
import { codedFrom } from './foreign-errors.ts'
import { holdLease, lineReader } from './lease.ts'
import { correlationOf } from './listener.ts'
import { PROBE_NAMES, type Probes } from './probes.ts'
import { proofOf } from './proof.ts'
import { createRoutes, type Routes } from './routes.ts'
import type { ServedNode } from './served-node.ts'
import { errorBody as errorShape } from './shapes/api.ts'
import { sseSink } from './sse-sink.ts'

export interface ApiDeps {
  readonly node: ServedNode
  readonly registry: Pick<Registry, 'prometheusText' | 'openMetricsText' | 'total'>
  readonly version: string
  /** The bearer token that callers must show. */
  readonly token: string
  readonly feed: Pick<EventFeed, 'serve'>
  readonly clock: Clock
  readonly log: Logger
}

export interface Api {
  handle(request: IncomingMessage, response: ServerResponse): void
  close(): Promise<void>
}

/** Operations that answer without a token: what is asked before there is one. */
const TOKENLESS: readonly string[] = [
  operations.health.path,
  operations.ready.path,
  operations.prove.path,
]
/** What a supervisor asks; not to be well is an answer as well. */
const PROBES: readonly string[] = [operations.health.path, operations.ready.path]

/** Every path that answers without a token. */
export const PUBLIC_PATHS: readonly string[] = [...TOKENLESS, ...DOCS_PATHS]

const PARAMETER_MAX = 256

/** `waitMs` is how long an operation may take when its caller names no time-out. */
export async function createApi(deps: ApiDeps, probes: Probes, waitMs: number): Promise<Api> {
  const { fastify } = await firstUse('the HTTP framework', () => import('fastify'))
  const app = fastify({
    logger: false,
    routerOptions: {
      caseSensitive: true,
      ignoreTrailingSlash: false,
      maxParamLength: PARAMETER_MAX,
    },
    trustProxy: false,
    exposeHeadRoutes: false,
    return503OnClosing: true,
    frameworkErrors: (error, request, reply) => void refuse(deps, error, { request, reply }),
  })
  await describe(app, deps.version)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, parseBody)
  app.setErrorHandler((error, request, reply) => refuse(deps, error, { request, reply }))
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]?.slice(0, PARAMETER_MAX) ?? ''
    const error = ControlError.ROUTE_UNKNOWN({ method: request.method, path })
    return refuse(deps, error, { request, reply })
  })
  mount(app, createRoutes(deps, waitMs), specialRoutes(app, deps, { probes, waitMs }))
  await app.ready()
  const docs = new Docs(() => app.swagger() as DocsDocument)
  return {
    handle(request, response) {
      const path = (request.url ?? '').split('?', 1)[0] ?? ''
      if (request.method !== 'GET' || !DOCS_PATHS.includes(path)) app.routing(request, response)
      else void showDocs(docs, deps, { request, response })
    },
    async close() {
      await docs.close()
      await app.close()
    },
  }
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** The page is no part of the API: where it cannot be made, the rest goes on. */
async function showDocs(docs: Docs, { log }: ApiDeps, { request, response }: Exchange) {
  try {
    await docs.handle(request, response)
  } catch (error) {
    log.error('documentation cannot be shown', { error })
    const correlationId = correlationOf(request)
    sendError(response, ControlError.INTERNAL({ correlationId }, error))
  }
}

async function parseBody(request: FastifyRequest, body: string | Buffer): Promise<unknown> {
  const { bodyLimit } = request.routeOptions
  return body.length === 0 ? undefined : parseJson(String(body), 'body', { bytesMax: bodyLimit })
}

/** The zod compilers and the document; it must know the routes, so it comes before them. */
async function describe(app: FastifyInstance, version: string): Promise<void> {
  const { default: swagger } = await firstUse(
    'the maker of the API document',
    () => import('@fastify/swagger'),
  )
  const zod = await firstUse('the checks of the API', () => import('fastify-type-provider-zod'))
  app.setValidatorCompiler(zod.validatorCompiler)
  app.setSerializerCompiler(zod.serializerCompiler)
  await app.register(swagger, {
    openapi: {
      openapi: '3.0.3',
      info: {
        title: 'p2p-foundation node',
        description: 'The control API of one node, on loopback.',
        version,
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: zod.jsonSchemaTransform,
  })
}

type Serve = (given: never, call: { request: FastifyRequest; reply: FastifyReply }) => unknown

type Special = Partial<Record<OperationName, Serve>>

function mount(app: FastifyInstance, routes: Routes, special: Special): void {
  for (const [name, operation] of Object.entries(operations) as [OperationName, Operation][]) {
    const plain = routes[name as keyof Routes] as
      | ((given: never, signal: AbortSignal) => Promise<unknown>)
      | undefined
    const serve: Serve =
      special[name] ?? ((given, { reply }) => plain?.(given, goneSignal(reply.raw)))
    app.route({
      method: operation.method,
      url: operation.path,
      schema: schemaOf(name, operation),
      bodyLimit: operation.bodyBytesMax,
      async preValidation(request) {
        // An operation whose body is all defaults may be asked without one.
        if (operation.body !== undefined) request.body ??= {}
      },
      async handler(request, reply) {
        const given = Object.assign({}, request.params, request.query, request.body) as never
        return serve(given, { request, reply })
      },
    })
  }
}

function schemaOf(name: OperationName, operation: Operation) {
  const { summary, query, params, body, response, contentTypes } = operation
  const shape =
    contentTypes === undefined
      ? response
      : {
          description: summary,
          content: Object.fromEntries(contentTypes.map((type) => [type, { schema: response }])),
        }
  const isProbe = PROBES.includes(operation.path)
  return {
    summary,
    operationId: name,
    ...(TOKENLESS.includes(operation.path) ? { security: [] } : {}),
    ...(query === undefined ? {} : { querystring: query }),
    ...(params === undefined ? {} : { params }),
    ...(body === undefined ? {} : { body }),
    response: { 200: shape, ...(isProbe ? { 503: response } : {}), '4xx': errorShape },
  }
}

/** Asked in an unusual spelling, a probe comes through the framework and is answered the same. */
function probeRoutes(probes: Probes): Special {
  const routes = PROBE_NAMES.map((name): [string, Serve] => [
    name,
    (_given, { request, reply }) => {
      reply.hijack()
      return probes[name](request.raw, reply.raw)
    },
  ])
  return Object.fromEntries(routes)
}

function specialRoutes(
  app: FastifyInstance,
  deps: ApiDeps,
  { probes, waitMs }: { readonly probes: Probes; readonly waitMs: number },
) {
  const { node, token, feed, clock, log } = deps
  return {
    ...probeRoutes(probes),
    prove({ nonce }: Given<'prove'>, { request }) {
      const { peerId } = node.status()
      const port = request.raw.socket.localPort ?? 0
      return { peerId, proof: proofOf(token, { nonce, port, peerId }) }
    },
    openapi: () => app.swagger(),
    events: (_given, { reply }) => {
      const open = () => {
        reply.hijack()
        return sseSink(reply.raw)
      }
      return feed.serve(open, goneSignal(reply.raw))
    },
    async exposeAttached(spec: Given<'exposeAttached'>, { reply }) {
      const lines = lineReader(reply.raw)
      const open = () => {
        reply.hijack()
        lines.open()
      }
      const lease = { spec, reader: { ...lines, open }, gone: goneSignal(reply.raw) }
      await holdLease({ services: node.services, clock, log }, lease)
    },
    async callOutput(given: Given<'callOutput'>, { request, reply }) {
      const response = reply.raw
      const isTold = takesTrailers(request.raw)
      const breakOff = (error: unknown) => {
        const coded = codedFrom(error, request)
        if (coded.code === 'CONTROL_INTERNAL') log.error('result broke off', { error })
        if (isTold) endWithError(response, coded)
        else response.destroy()
      }
      const output = { given, response, gone: goneSignal(response), waitMs, isTold, breakOff }
      await callToOutput({ node, clock, log }, output, () => void reply.hijack())
    },
  } satisfies Partial<Record<OperationName, (given: never, call: Parameters<Serve>[1]) => unknown>>
}

/** Aborts when the caller closed the connection before it had the answer. */
function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(ControlError.CALLER_GONE({}))
  })
  return gone.signal
}

interface Refused {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

async function refuse({ log }: ApiDeps, error: unknown, { request, reply }: Refused) {
  const coded = codedFrom(error, request)
  if (coded.code === 'CONTROL_INTERNAL') {
    log.error('request failed', { method: request.method, path: request.routeOptions.url, error })
  }
  reply.status(statusOf(coded)).type('application/json; charset=utf-8')
  return reply.serializer(JSON.stringify).send(errorBody(coded))
}
