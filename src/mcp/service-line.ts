/**
 * Requests of the newer era to one service, each complete in itself, over one line: what one
 * request changes in the server, the next one and a subscription see, as they would over stdio.
 *
 * Ids, progress tokens and ids of subscriptions are ours on the line, since two clients choose the
 * same, and theirs again after it. A log line names no request: it goes to who asked for such last.
 */

import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server'
import { isJsonObject, type Json, type JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import type { Exchange } from './forwarding-server.ts'
import { type RpcId, rpcError } from './protocol.ts'

const SUBSCRIPTION_META = 'io.modelcontextprotocol/subscriptionId'
const LOG_LEVEL_META = 'io.modelcontextprotocol/logLevel'

interface Asked {
  readonly id: RpcId
  readonly progressToken: unknown
  readonly wantsLogs: boolean
  readonly answers: Transport
}

interface Line {
  readonly asked: Map<RpcId, Asked>
  readonly opened: Promise<Transport>
}

export interface ServiceLineDeps {
  readonly open: () => Promise<Transport>
  readonly now: () => number
}

export class ServiceLine {
  readonly #deps: ServiceLineDeps
  #line: Line | undefined
  #usedMs = 0
  #ids = 0

  constructor(deps: ServiceLineDeps) {
    this.#deps = deps
  }

  get isOpen(): boolean {
    return this.#line !== undefined
  }

  /** Takes a message on; what is returned is to be called when its client has left. */
  forward({ message, transport: answers }: Exchange): () => void {
    this.#usedMs = this.#deps.now()
    const line = this.#current()
    const send = async (sent: JSONRPCMessage) => (await line.opened).send(sent)
    if (!('method' in message) || !('id' in message)) {
      send(message).catch(() => undefined)
      return () => undefined
    }
    this.#ids += 1
    const id = this.#ids
    const meta = metaOf((message as unknown as JsonObject).params)
    const { progressToken } = meta
    const wantsLogs = meta[LOG_LEVEL_META] !== undefined
    line.asked.set(id, { id: message.id, progressToken, wantsLogs, answers })
    send(renamed(message, id)).catch((error: unknown) => refuse(line, id, error))
    return () => {
      if (!line.asked.delete(id)) return
      const params = { requestId: id, reason: 'the client has left' }
      send({ jsonrpc: '2.0', method: 'notifications/cancelled', params }).catch(() => undefined)
    }
  }

  /** Ends the line when nobody uses it and nobody has used it since then. */
  sweep(untilMs: number): void {
    if (this.#line?.asked.size === 0 && this.#usedMs <= untilMs) this.close()
  }

  close(): void {
    const line = this.#line
    this.#line = undefined
    line?.opened.then((transport) => transport.close()).catch(() => undefined)
  }

  #current(): Line {
    if (this.#line !== undefined) return this.#line
    const asked: Line['asked'] = new Map()
    const line: Line = {
      asked,
      opened: this.#deps.open().then((opened) => this.#join(opened, line)),
    }
    line.opened.catch(() => this.#forget(line))
    this.#line = line
    return line
  }

  async #join(transport: Transport, line: Line): Promise<Transport> {
    transport.onmessage = (message: JSONRPCMessage) => {
      this.#usedMs = this.#deps.now()
      take(line, message)
    }
    transport.onclose = () => {
      this.#forget(line)
      const gone = McpError.SERVICE_ENDED({ reason: 'its line has ended' })
      for (const id of [...line.asked.keys()]) refuse(line, id, gone)
    }
    await transport.start()
    return transport
  }

  #forget(line: Line): void {
    if (this.#line === line) this.#line = undefined
  }
}

function take({ asked }: Line, message: JSONRPCMessage): void {
  if ('method' in message) {
    const owner = ownerOf(asked, message)
    if (owner === undefined) return
    const [wireId, one] = owner
    const options = { relatedRequestId: one.id }
    one.answers.send(restored(message, one, wireId), options).catch(() => undefined)
    return
  }
  const wireId = message.id
  const one = wireId === undefined ? undefined : asked.get(wireId)
  if (wireId === undefined || one === undefined) return
  asked.delete(wireId)
  one.answers.send(restored(message, one, wireId)).catch(() => undefined)
}

function refuse({ asked }: Line, wireId: RpcId, error: unknown): void {
  const one = asked.get(wireId)
  if (one === undefined) return
  asked.delete(wireId)
  one.answers.send({ jsonrpc: '2.0', id: one.id, error: rpcError(error) }).catch(() => undefined)
}

function metaOf(params: Json | undefined): JsonObject {
  return isJsonObject(params) && isJsonObject(params._meta) ? params._meta : {}
}

/** The same request under our id, which is its progress token too where it has one. */
function renamed(message: JSONRPCMessage, id: RpcId): JSONRPCMessage {
  const value = message as unknown as JsonObject
  const { params } = value
  const meta = metaOf(params)
  const changed =
    !isJsonObject(params) || meta.progressToken === undefined
      ? {}
      : { params: { ...params, _meta: { ...meta, progressToken: id } } }
  return { ...value, ...changed, id } as unknown as JSONRPCMessage
}

/** Whose a notification is: named by its token or subscription, else of who last asked for logs. */
function ownerOf(
  asked: ReadonlyMap<RpcId, Asked>,
  message: JSONRPCMessage,
): readonly [RpcId, Asked] | undefined {
  const { params } = message as unknown as JsonObject
  const token = isJsonObject(params) ? params.progressToken : undefined
  const named = token ?? metaOf(params)[SUBSCRIPTION_META]
  return [...asked].findLast(([wireId, { wantsLogs }]) => {
    return named === undefined ? wantsLogs : isId(named, wireId)
  })
}

/** An id of ours, which some servers give back as text. */
function isId(value: Json | undefined, wireId: RpcId): boolean {
  return value === wireId || value === String(wireId)
}

/** The message with the id, the token and the subscription that its client knows. */
function restored(message: JSONRPCMessage, asked: Asked, wireId: RpcId): JSONRPCMessage {
  const value = { ...(message as unknown as JsonObject) }
  if (!('method' in value)) value.id = asked.id
  for (const part of ['params', 'result'] as const) {
    const inside = value[part]
    if (!isJsonObject(inside)) continue
    const changed = { ...inside }
    if (part === 'params' && isId(changed.progressToken, wireId)) {
      changed.progressToken = asked.progressToken as string | number
    }
    const meta = metaOf(inside)
    if (isId(meta[SUBSCRIPTION_META], wireId)) {
      const theirs = typeof meta[SUBSCRIPTION_META] === 'string' ? String(asked.id) : asked.id
      changed._meta = { ...meta, [SUBSCRIPTION_META]: theirs }
    }
    value[part] = changed
  }
  return value as unknown as JSONRPCMessage
}
