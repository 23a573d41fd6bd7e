/**
 * The second version of the protocol of `p2p-node`: every operation of `api.ts` by its name, with
 * the same checks as over HTTP, and what lines can do besides: publish, and take back a question.
 *
 * Answered by one `result` or `error`; streams tell `event` or `output` lines in between.
 */

import type { Clock } from '../base/index.ts'
import { peerId } from '../identity/index.ts'
import { jsonParts, type LargeResult, type ToolArgs } from '../mcp/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { type Given, type Operation, type OperationName, operations } from './api.ts'
import { VERDICT_MS } from './call-output.ts'
import { EventFeed } from './event-feed.ts'
import { createRoutes, type PlainName, type Routes } from './routes.ts'
import { checkedBy, type ExtraName, extraSchemas } from './shapes/stdio/api.ts'
import { StdioError } from './stdio-errors.ts'
import { eventSink } from './stdio-events.ts'
import type { RunningNode } from './stdio-node.ts'
import { answering, type Id, type StdioOutlet } from './stdio-outlet.ts'

/** About HTTP itself; there is nothing to answer here. */
const HTTP_ONLY: readonly string[] = ['prove', 'openapi']
const PUBLISH_MS = 10_000
/** Bytes of a long result on one line. */
const OUTPUT_BYTES = 49_152

export interface StdioOperationsDeps {
  readonly running: RunningNode
  readonly outlet: StdioOutlet
  readonly clock: Clock
}

interface Question {
  readonly id: Id
  readonly signal: AbortSignal
}

type Serve = (given: never, question: Question) => Promise<unknown>

export class StdioOperations {
  readonly #deps: StdioOperationsDeps
  readonly #ended: AbortSignal
  readonly #routes: Routes
  readonly #feed: EventFeed
  readonly #working = new Map<string | number, AbortController>()
  readonly #attached = new Set<string>()
  #feeding: Promise<void> | undefined

  constructor(deps: StdioOperationsDeps, ended: AbortSignal) {
    const { running, clock } = deps
    const { node, registry, waitMs, notices } = running
    this.#deps = deps
    this.#ended = ended
    this.#routes = createRoutes({ node, registry, clock }, waitMs)
    this.#feed = new EventFeed({ node, clock, notices: () => notices })
  }

  /** Answers one question; throws what the session tells as its error. */
  async run(value: JsonObject, name: string, id: Id): Promise<void> {
    const controller = new AbortController()
    const stop = () => controller.abort(this.#ended.reason)
    this.#ended.addEventListener('abort', stop, { once: true })
    if (id !== undefined) this.#working.set(id, controller)
    try {
      const { signal } = controller
      const result = await this.#serve(value, name, { id, signal })
      await this.#answer(id, { type: 'result', result: result ?? null })
    } finally {
      this.#ended.removeEventListener('abort', stop)
      if (id !== undefined && this.#working.get(id) === controller) this.#working.delete(id)
    }
  }

  async stop(): Promise<void> {
    const { services } = this.#deps.running.node
    await this.#feed.stop()
    for (const name of this.#attached) await services.unexpose(name).catch(() => undefined)
  }

  async #serve(value: JsonObject, name: string, question: Question): Promise<unknown> {
    const input = inputOf(value)
    if (isExtra(name)) return this.#extra(name, input, question)
    if (HTTP_ONLY.includes(name)) throw StdioError.STDIO_HTTP_ONLY({ operation: name })
    if (!isOperation(name)) {
      const known = [...Object.keys(operations), ...Object.keys(extraSchemas)]
      throw StdioError.STDIO_TYPE_UNKNOWN({ found: name, known })
    }
    const given = givenOf(name, input) as never
    const special = this.#special()[name]
    if (special !== undefined) return special(given, question)
    const plain = this.#routes[name as PlainName] as (
      given: never,
      signal: AbortSignal,
    ) => Promise<unknown>
    return operations[name].response.parse(await plain(given, question.signal))
  }

  /** Operations whose answer is more than one document, or none of their own. */
  #special(): Partial<Record<OperationName, Serve>> {
    const { node, registry } = this.#deps.running
    return {
      health: async () => node.health(),
      ready: async () => node.health(),
      metrics: async () => (await registry.prometheusText()).body,
      events: (_, question) => this.#events(question),
      callOutput: (given: Given<'callOutput'>, question) => this.#output(given, question),
      exposeAttached: async (spec: Given<'exposeAttached'>, { signal }) => {
        const status = await node.services.expose(spec, { detached: false, signal })
        this.#attached.add(spec.name)
        return status
      },
    } satisfies Partial<Record<OperationName, (given: never, question: Question) => unknown>>
  }

  /** Until it is cancelled; then it is answered. */
  async #events({ id, signal }: Question): Promise<unknown> {
    this.#feeding ??= this.#feed.start()
    await this.#feeding
    const gone = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => gone.resolve(), { once: true })
    const open = () => eventSink(this.#deps.outlet, id, gone.promise)
    await this.#feed.serve(open, signal)
    return { ended: true }
  }

  /** The result of a call in parts, each awaited by its reader; its head is the answer. */
  async #output(given: Given<'callOutput'>, { id, signal }: Question): Promise<unknown> {
    const { running, clock } = this.#deps
    const { tool, args, peer, ...limits } = given
    using deadline = clock.deadline((limits.timeoutMs ?? running.waitMs) + VERDICT_MS, signal)
    let head: object | undefined
    const onlarge = async ({ parts, ...large }: LargeResult) => {
      for await (const bytes of parts) await this.#part(id, bytes)
      head = large
    }
    const target = { ...limits, ...(peer !== undefined && { peer: peerId(peer) }) }
    const options = { ...target, onlarge, signal: deadline.signal }
    const result = await running.node.tools.call(tool, args as ToolArgs, options)
    if (head !== undefined) return head
    const { content, structuredContent, isError } = result
    const said = { content, structuredContent, isError }
    let text = ''
    for (const part of jsonParts(said)) text += part
    const bytes = Buffer.from(text)
    await this.#part(id, bytes)
    return { peer: result.peer, bytes: bytes.length, isError: isError === true }
  }

  async #part(id: Id, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += OUTPUT_BYTES) {
      const base64 = Buffer.from(bytes.subarray(at, at + OUTPUT_BYTES)).toString('base64')
      await this.#answer(id, { type: 'output', base64 })
    }
  }

  async #extra(name: ExtraName, input: object, { signal }: Question): Promise<unknown> {
    if (name === 'publish') {
      const { topic, data } = checked(name, extraSchemas.publish, input)
      const { node } = this.#deps.running
      return node.publish(topic, data, { signal, waitForPeersMs: PUBLISH_MS })
    }
    const { of } = checked(name, extraSchemas.cancel, input)
    const found = this.#working.get(of)
    found?.abort(StdioError.STDIO_CANCELLED({}))
    return { cancelled: found !== undefined }
  }

  #answer(id: Id, said: { readonly type: string; readonly [field: string]: unknown }) {
    return this.#deps.outlet.answer({ v: 2, ...answering(id), ...said })
  }
}

/** What an operation is given: the fields beside those of the protocol, or all of `input`. */
function inputOf({ v: _v, type: _type, id: _id, input, ...fields }: JsonObject): object {
  if (input === undefined) return fields
  if (typeof input === 'object' && input !== null && Object.keys(fields).length === 0) return input
  const problems = ['wanted the fields of the operation beside "type", or all of them in "input"']
  throw StdioError.STDIO_COMMAND_INVALID({ command: 'input', problems })
}

function isExtra(name: string): name is ExtraName {
  return Object.hasOwn(extraSchemas, name)
}

function isOperation(name: string): name is OperationName {
  return Object.hasOwn(operations, name)
}

/** Parameters of path, query and body in one object, as each of their schemas gives them. */
function givenOf(name: OperationName, input: object): object {
  const { params, query, body }: Operation = operations[name]
  const schemas = [params, query, body].filter((schema) => schema !== undefined)
  const names = schemas.flatMap((schema) => Object.keys(schema.shape))
  const [strange] = Object.keys(input).filter((key) => !names.includes(key))
  if (strange !== undefined) {
    const wanted = names.length === 0 ? 'it takes none' : `it takes ${names.join(', ')}`
    const problems = [`there is no field "${strange.slice(0, SHOWN_MAX)}"; ${wanted}`]
    throw StdioError.STDIO_COMMAND_INVALID({ command: name, problems })
  }
  const parts = schemas.map((schema) => {
    const own = Object.entries(input).filter(([key]) => key in schema.shape)
    return checked(name, schema, Object.fromEntries(own))
  })
  return Object.assign({}, ...parts) as object
}

const SHOWN_MAX = 64

type Schema<Value> = Parameters<typeof checkedBy<Value>>[0]

function checked<Value>(command: string, schema: Schema<Value>, value: unknown): Value {
  const found = checkedBy(schema, value)
  if ('value' in found) return found.value
  throw StdioError.STDIO_COMMAND_INVALID({ command, problems: found.problems })
}
