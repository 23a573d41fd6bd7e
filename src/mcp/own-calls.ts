/**
 * The wire between a stream and the SDK's server of an own service, on which a plain call is
 * answered at once: the server tries each message against its schemas, which costs more than all
 * else that a call needs.
 *
 * The server still says what a call must look like. It answers the first one of a stream, and each
 * that differs from the last one that it accepted in more than its id, tool and arguments; what it
 * put around that result is put around the others. A failure, and a result that is more than text
 * and data, goes through the server as well, which then does not run the tool again.
 */

import type { JSONRPCMessage, RequestId, Transport } from '@modelcontextprotocol/server'
import { isJsonObject, type JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import type { ReportProgress } from './own-tool.ts'
import { hasOnly, isText, withoutOwnMeta } from './plain-call.ts'
import type { ToolArgs, ToolResult } from './tool.ts'

/** A call as far as it concerns the tool. */
export interface OwnCall {
  readonly name: string
  readonly args: ToolArgs
  readonly meta: JsonObject
  readonly signal: AbortSignal
  /** Absent where the caller did not ask to be told. */
  readonly progress?: ReportProgress | undefined
}

interface PlainCall extends Omit<OwnCall, 'signal'> {
  readonly id: RequestId
  /** What stands beside tool and arguments, and is the same in each call of a usual client. */
  readonly form: string
}

export class OwnCalls implements Transport {
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  onmessage?: ((message: JSONRPCMessage) => void) | undefined
  readonly #wire: Transport
  readonly #run: (call: OwnCall) => Promise<ToolResult>
  /** The last call that the server was given, until it answers. */
  #asked: Pick<PlainCall, 'id' | 'form'> | undefined
  /** Of the last call that it accepted: its form, and what stood beside the result. */
  #accepted: { readonly form: string; readonly beside: object } | undefined
  readonly #working = new Map<RequestId, AbortController>()
  readonly #outcomes = new Map<RequestId, Promise<ToolResult>>()

  constructor(wire: Transport, run: (call: OwnCall) => Promise<ToolResult>) {
    this.#wire = wire
    this.#run = run
    wire.onmessage = (message) => this.#take(message)
    wire.onerror = (error) => this.onerror?.(error)
    wire.onclose = () => this.#ended()
  }

  start(): Promise<void> {
    return this.#wire.start()
  }

  close(): Promise<void> {
    return this.#wire.close()
  }

  send(message: JSONRPCMessage): Promise<void> {
    if (this.#asked !== undefined && 'id' in message && message.id === this.#asked.id) {
      const { form } = this.#asked
      this.#asked = undefined
      if ('result' in message) this.#accepted = { form, beside: besideOf(message.result) }
    }
    return this.#wire.send(message)
  }

  /** What the call `id` came to, if it ran before the server was given it. */
  outcomeOf(id: RequestId): Promise<ToolResult> | undefined {
    const outcome = this.#outcomes.get(id)
    this.#outcomes.delete(id)
    return outcome
  }

  #take(message: JSONRPCMessage): void {
    const call = plainCall(message)
    if (call === undefined) {
      if (!this.#cancels(message)) this.onmessage?.(message)
    } else if (call.form === this.#accepted?.form && !this.#working.has(call.id)) {
      void this.#answer(message, call, this.#accepted.beside)
    } else {
      this.#asked = call
      this.onmessage?.(message)
    }
  }

  async #answer(message: JSONRPCMessage, call: PlainCall, beside: object): Promise<void> {
    const { id } = call
    const giveUp = new AbortController()
    this.#working.set(id, giveUp)
    const outcome = this.#run({ ...call, signal: giveUp.signal })
    const result = await outcome.catch(() => undefined)
    this.#working.delete(id)
    // Who cancelled a request wants no answer.
    if (giveUp.signal.aborted) return
    if (result === undefined || !result.content.every(isText)) {
      this.#outcomes.set(id, outcome)
      this.onmessage?.(message)
      return
    }
    try {
      await this.#wire.send({ result: { ...result, ...beside }, jsonrpc: '2.0', id } as never)
    } catch (error) {
      this.onerror?.(error as Error)
    }
  }

  /** Whether the message gives up a call that is in work here. */
  #cancels(message: JSONRPCMessage): boolean {
    if (this.#working.size === 0 || !('method' in message)) return false
    if (message.method !== 'notifications/cancelled') return false
    const { requestId, reason } = message.params ?? {}
    const giveUp = this.#working.get(requestId as RequestId)
    giveUp?.abort(reason)
    return giveUp !== undefined
  }

  #ended(): void {
    const reason = McpError.PIPE_ENDED({ wanted: 'go on' })
    for (const giveUp of this.#working.values()) giveUp.abort(reason)
    this.#outcomes.clear()
    this.onclose?.()
  }
}

const MESSAGE_KEYS = new Set(['jsonrpc', 'id', 'method', 'params'])
const PARAMS_KEYS = new Set(['name', 'arguments', '_meta'])

/** The call of a tool with nothing about it that only the server could understand. */
function plainCall(message: JSONRPCMessage): PlainCall | undefined {
  if (!('method' in message && 'id' in message) || message.method !== 'tools/call') return undefined
  const { name, arguments: args = {}, _meta: meta = {} } = message.params ?? {}
  if (typeof name !== 'string' || !isJsonObject(args) || !isJsonObject(meta)) return undefined
  if (!hasOnly(MESSAGE_KEYS, message) || !hasOnly(PARAMS_KEYS, message.params ?? {})) {
    return undefined
  }
  // Progress is told through the server, which knows how.
  if ('progressToken' in meta) return undefined
  const form = JSON.stringify(withoutOwnMeta(meta))
  return { id: message.id, name, args, meta, form }
}

const TOOL_KEYS = new Set(['content', 'structuredContent', 'isError'])

/** What the server said in its own name. */
function besideOf(result: object): object {
  return Object.fromEntries(Object.entries(result).filter(([key]) => !TOOL_KEYS.has(key)))
}
