/**
 * The wire between the SDK's client and a stream to a peer, on which a plain call goes out at once:
 * the client envelopes, times and tries each message against its schemas, which costs as much as
 * the rest of the caller's share.
 *
 * The client still says what a call must look like: the first one of a stream is its own, and what
 * it put beside tool and arguments is put beside those of later ones. An answer that is more than
 * text and data goes through the client as well, which asks again and is given it from here.
 */

import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client'
import { isJsonObject, type Json, type JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { hasOnly, isText, withoutOwnMeta } from './plain-call.ts'
import type { RpcId } from './protocol.ts'
import type { ToolArgs, ToolResult } from './tool.ts'
import type { ToolCall } from './tool-call.ts'

/** An answer that the client must read, and the arguments by which it gets it. */
export interface Unread {
  readonly unread: ToolArgs
}

interface Waiting {
  readonly answer: (message: JsonObject) => void
  readonly fail: (error: unknown) => void
}

interface Accepted {
  readonly meta: JsonObject
  readonly resultType: Json | undefined
}

export class PeerCalls implements Transport {
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  onmessage?: ((message: JSONRPCMessage) => void) | undefined
  /** By these two the SDK tells a wire with one shared channel from HTTP. */
  readonly stderr = null
  readonly pid = null
  readonly #wire: Transport
  #asked: { readonly id: RpcId; readonly meta: JsonObject } | undefined
  /** The form of the last call of the client's own that had a result. */
  #accepted: Accepted | undefined
  #ended = false
  #calls = 0
  readonly #waiting = new Map<RpcId, Waiting>()
  readonly #unread = new WeakMap<object, JsonObject>()

  constructor(wire: Transport) {
    this.#wire = wire
    wire.onmessage = (message) => this.#take(message)
    wire.onerror = (error) => this.onerror?.(error)
    wire.onclose = () => this.#end()
  }

  start(): Promise<void> {
    return this.#wire.start()
  }

  close(): Promise<void> {
    return this.#wire.close()
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if ('id' in message && 'method' in message && message.method === 'tools/call') {
      const { arguments: args, _meta: meta = {} } = message.params ?? {}
      const answer = this.#unread.get(args as object)
      if (answer !== undefined) {
        this.#unread.delete(args as object)
        this.onmessage?.({ ...answer, id: message.id } as never)
        return
      }
      if (!('progressToken' in meta)) {
        this.#asked = { id: message.id, meta: withoutOwnMeta(meta as JsonObject) }
      }
    }
    await this.#wire.send(message)
  }

  /**
   * Sends the call, unless nothing is known yet of how the client would. Rejects with the reason
   * of `signal`, or when the stream ends.
   */
  callTool(
    { tool, args, meta }: ToolCall,
    signal: AbortSignal,
  ): Promise<ToolResult | Unread> | undefined {
    const accepted = this.#accepted
    if (accepted === undefined || this.#ended || signal.aborted) return undefined
    this.#calls += 1
    const id = `call-${this.#calls}`
    const whole = { name: tool, arguments: args, _meta: { ...accepted.meta, ...meta } }
    const answered = Promise.withResolvers<ToolResult | Unread>()
    const giveUp = () => {
      this.#waiting.delete(id)
      answered.reject(signal.reason)
      this.#cancel(id, signal.reason, accepted)
    }
    const settle = () => {
      this.#waiting.delete(id)
      signal.removeEventListener('abort', giveUp)
    }
    this.#waiting.set(id, {
      answer: (message) => {
        settle()
        answered.resolve(plainResult(message, accepted) ?? this.#keep(message, args))
      },
      fail: (error) => {
        settle()
        answered.reject(error)
      },
    })
    signal.addEventListener('abort', giveUp, { once: true })
    const request = { method: 'tools/call', params: whole, jsonrpc: '2.0' as const, id }
    this.#wire.send(request).catch((error: unknown) => this.#waiting.get(id)?.fail(error))
    return answered.promise
  }

  #take(message: JSONRPCMessage): void {
    if (!('id' in message) || 'method' in message || message.id === undefined) {
      this.onmessage?.(message)
      return
    }
    const waiting = this.#waiting.get(message.id)
    if (waiting !== undefined) {
      waiting.answer(message as unknown as JsonObject)
      return
    }
    if (message.id === this.#asked?.id) {
      const { meta } = this.#asked
      this.#asked = undefined
      if ('result' in message) this.#accepted = acceptedOf(meta, message.result)
    }
    this.onmessage?.(message)
  }

  #keep(message: JsonObject, args: ToolArgs): Unread {
    this.#unread.set(args, message)
    return { unread: args }
  }

  #cancel(requestId: string, reason: unknown, { meta }: Accepted): void {
    const beside = Object.keys(meta).length === 0 ? {} : { _meta: meta }
    const params = { requestId, reason: String(reason), ...beside }
    this.#wire
      .send({ jsonrpc: '2.0', method: 'notifications/cancelled', params })
      .catch((error: unknown) => this.onerror?.(error as Error))
  }

  #end(): void {
    this.#ended = true
    const error = McpError.PIPE_ENDED({ wanted: 'go on' })
    for (const { fail } of [...this.#waiting.values()]) fail(error)
    this.onclose?.()
  }
}

/** An answer that asks for more is none to go by. */
function acceptedOf(
  meta: JsonObject,
  { resultType }: Readonly<Record<string, unknown>>,
): Accepted | undefined {
  if (resultType !== undefined && resultType !== 'complete') return undefined
  return { meta, resultType }
}

const RESULT_KEYS = new Set(['content', 'structuredContent', 'isError', 'resultType', '_meta'])

/** The result, where nothing about it could be read in more than one way. */
function plainResult({ result }: JsonObject, { resultType }: Accepted): ToolResult | undefined {
  if (!isJsonObject(result) || !hasOnly(RESULT_KEYS, result)) return undefined
  const { content, structuredContent, isError, _meta: meta = {} } = result
  if (result.resultType !== resultType || !isJsonObject(meta)) return undefined
  if (!Array.isArray(content) || !content.every(isText)) return undefined
  if (structuredContent !== undefined && !isJsonObject(structuredContent)) return undefined
  if (isError !== undefined && typeof isError !== 'boolean') return undefined
  return {
    content: content as ToolResult['content'],
    ...(structuredContent === undefined ? {} : { structuredContent }),
    ...(isError === undefined ? {} : { isError }),
  }
}
