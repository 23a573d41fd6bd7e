/** One HTTP request for each operation, with the token, and the answer checked or its error. */

import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { CodedError, hasCode, secureRandom } from '../base/index.ts'
import { type Answer, type Operation, type OperationName, operations, type Sent } from './api.ts'
import { ERROR_TRAILER } from './error-reply.ts'
import { ControlError } from './errors.ts'
import { request as send } from './node-http.ts'
import { ProvenAgent } from './proven-agent.ts'
import type { Waits } from './served-node.ts'
import { errorBody } from './shapes/api.ts'

const LINE_FEED = 0x0a
const BROKEN_OFF = 'its answer broke off: it ended, or let go of who read nothing for too long'
/** What stands in front of bytes is short. */
const LINE_BYTES_MAX = 65_536
/** Twice the largest result of a tool, as JSON; nothing the API says is longer. */
const ANSWER_BYTES_MAX = 67_108_864

/** Where the node is and what to show it. */
export interface TransportOptions {
  /** Base URL of the API, such as `http://127.0.0.1:9002`. */
  readonly url: string
  readonly token: string
  /** Who should answer; unless given, whoever proves that it knows the token. */
  readonly peerId?: string
  /** What to call the node in errors: its data folder, or the URL. */
  readonly name: string
  /** What a person types to start the node, for the error that it is not there. */
  readonly start: string
}

export class HttpTransport {
  readonly #options: TransportOptions
  readonly #agent: ProvenAgent

  constructor(options: TransportOptions) {
    this.#options = options
    this.#agent = new ProvenAgent({ ...options, random: secureRandom })
  }

  /** Sends `sent` to the operation; each value goes where its schema says. */
  async ask<Name extends OperationName>(
    name: Name,
    sent: Sent<Name>,
    options: Waits,
  ): Promise<Answer<Name>> {
    const response = await this.#send(name, sent as Values, options)
    const status = response.statusCode ?? 0
    const value = jsonOf(await textOf(response, name))
    const answer = operations[name].response.safeParse(value)
    // A node that is not ready says so with 503 and the same body.
    if (answer.success && (status === 200 || status === 503)) return answer.data as Answer<Name>
    throw errorFrom(name, status, value)
  }

  /**
   * The lines of an answer that goes on, as they come. Leaving the loop ends the request; silence
   * for longer than `silenceMs`, where it is given, is the end of the node.
   */
  async *lines<Name extends OperationName>(
    name: Name,
    sent: Sent<Name>,
    options: Waits & Silence,
  ): AsyncGenerator<string> {
    const response = await this.#send(name, sent as Values, options)
    if (response.statusCode !== 200) {
      throw errorFrom(name, response.statusCode ?? 0, jsonOf(await textOf(response, name)))
    }
    try {
      for await (const line of createInterface({ input: response })) {
        if (line !== '') yield line
      }
      options.signal?.throwIfAborted()
    } catch (error) {
      options.signal?.throwIfAborted()
      throw this.#unreachable('it ended in the middle of its answer', error)
    } finally {
      response.destroy()
    }
  }

  /**
   * The first line of an answer, as JSON, and the bytes after it; leaving them ends the request.
   */
  async download<Name extends OperationName>(
    name: Name,
    sent: Sent<Name>,
    options: Waits,
  ): Promise<{ readonly line: unknown; readonly parts: AsyncIterable<Uint8Array> }> {
    const response = await this.#send(name, sent as Values, { ...options, headers: TRAILERS })
    const status = response.statusCode ?? 0
    if (status !== 200) throw errorFrom(name, status, jsonOf(await textOf(response, name)))
    const chunks: AsyncIterator<Uint8Array> = response[Symbol.asyncIterator]()
    const broken = (error: unknown): never => {
      options.signal?.throwIfAborted()
      throw this.#unreachable(BROKEN_OFF, error)
    }
    let head: Uint8Array = new Uint8Array()
    while (!head.includes(LINE_FEED)) {
      const next = await chunks.next().catch(broken)
      if (next.done === true || head.length > LINE_BYTES_MAX) {
        response.destroy()
        throw ControlError.ANSWER_MALFORMED({ operation: name, status })
      }
      head = Buffer.concat([head, next.value])
    }
    const end = head.indexOf(LINE_FEED)
    const line = jsonOf(Buffer.from(head.subarray(0, end)).toString('utf8'))
    const first = head.subarray(end + 1)
    const told = (text: string) => errorFrom(name, status, jsonOf(text))
    return { line, parts: rest(response, { first, chunks, broken, told }) }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #send(
    name: OperationName,
    sent: Values,
    { signal, silenceMs, headers = {} }: Waits & Silence & Headers,
  ): Promise<IncomingMessage> {
    const operation: Operation = operations[name]
    const { url, token } = this.#options
    const body =
      operation.body === undefined ? undefined : JSON.stringify(pick(operation.body, sent))
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const request = send(
      new URL(pathOf(operation, sent), url),
      {
        method: operation.method,
        agent: this.#agent,
        headers: {
          ...headers,
          authorization: `Bearer ${token}`,
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        },
        ...(signal === undefined ? {} : { signal }),
        ...(silenceMs === undefined ? {} : { timeout: silenceMs }),
      },
      resolve,
    )
    request.on('error', reject)
    request.on('timeout', () => request.destroy())
    request.end(body)
    try {
      return await promise
    } catch (error) {
      signal?.throwIfAborted()
      throw this.#unreachable(reasonOf(error), error)
    }
  }

  #unreachable(reason: string, cause: unknown): CodedError {
    const { name: node, start } = this.#options
    return ControlError.NODE_UNREACHABLE({ node, reason, start }, cause)
  }
}

interface Rest {
  readonly first: Uint8Array
  readonly chunks: AsyncIterator<Uint8Array>
  /** Throws what it means that the connection is gone. */
  readonly broken: (error: unknown) => never
  /** The error that the node said behind the last byte. */
  readonly told: (text: string) => Error
}

async function* rest(
  response: IncomingMessage,
  { first, chunks, broken, told }: Rest,
): AsyncGenerator<Uint8Array> {
  try {
    if (first.length > 0) yield first
    for (;;) {
      const next = await chunks.next().catch(broken)
      const why = next.done === true ? response.trailers[ERROR_TRAILER] : undefined
      if (why !== undefined) throw told(why)
      if (next.done === true) return
      yield next.value
    }
  } finally {
    response.destroy()
  }
}

interface Silence {
  readonly silenceMs?: number
}

interface Headers {
  readonly headers?: Readonly<Record<string, string>>
}

/** Says that we read what stands behind the last byte. RFC 9110, section 10.1.4. */
const TRAILERS = { te: 'trailers', connection: 'keep-alive, te' }

type Values = Readonly<Record<string, unknown>>

function pathOf({ path, query }: Operation, sent: Values): string {
  const filled = path.replace(/:([a-zA-Z]+)/g, (_, key: string) => {
    return encodeURIComponent(String(sent[key]))
  })
  const search = query === undefined ? {} : pick(query, sent)
  const text = new URLSearchParams(search as Record<string, string>).toString()
  return text === '' ? filled : `${filled}?${text}`
}

/** The values that a schema names, without those that were left out. */
function pick(schema: NonNullable<Operation['body']>, sent: Values): Values {
  const names = Object.keys(schema.shape).filter((key) => sent[key] !== undefined)
  return Object.fromEntries(names.map((key) => [key, sent[key]]))
}

async function textOf(response: IncomingMessage, operation: string): Promise<string> {
  const status = response.statusCode ?? 0
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > ANSWER_BYTES_MAX) break
      chunks.push(chunk)
    }
  } catch (error) {
    throw ControlError.ANSWER_MALFORMED({ operation, status }, error)
  }
  if (size > ANSWER_BYTES_MAX) throw ControlError.ANSWER_MALFORMED({ operation, status })
  return Buffer.concat(chunks).toString('utf8')
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The error that the node raised, as it was; or that what answered is no node of ours. */
function errorFrom(operation: string, status: number, value: unknown): CodedError {
  const body = errorBody.safeParse(value)
  if (!body.success) return ControlError.ANSWER_MALFORMED({ operation, status })
  const { code, message, facts, retryable } = body.data.error
  return new CodedError(code, facts, { says: () => message, retryable })
}

function reasonOf(error: unknown): string {
  if (hasCode(error, 'CONTROL_NODE_UNPROVEN')) {
    return `${error.message}. Either that node is gone, or its api.token was changed while it ran`
  }
  if (error instanceof Error && 'code' in error) {
    return error.code === 'ECONNREFUSED' ? 'nobody answers at its address' : String(error.code)
  }
  return String(error)
}
