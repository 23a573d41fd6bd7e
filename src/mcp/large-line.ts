/**
 * A line to a service for a client that is no node of ours: a result that the peer keeps because it
 * is above one frame is read into this node's store, and the client is given its beginning and the
 * address of its parts (`result-parts.ts`). Reading those is answered here; all else passes.
 */

import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client'
import type { PeerId } from '../identity/index.ts'
import { isJsonObject, type JsonObject } from '../wire/index.ts'
import { rpcError } from './protocol.ts'
import { isPartUri, type ResultParts } from './result-parts.ts'
import { linkedResult } from './result-protocol.ts'
import type { LargeResult, ResultReader } from './result-reader.ts'
import type { ToolResult } from './tool.ts'

export interface LargeLineDeps {
  readonly peer: PeerId
  readonly service: string
  readonly whole: ResultReader['whole']
  readonly parts: Pick<ResultParts, 'keep' | 'read'>
}

/** A newer client wants to be told how long it may keep the answer: not at all. */
const READ_ANSWER = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } as const

export class LargeLine implements Transport {
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  onmessage?: ((message: JSONRPCMessage) => void) | undefined
  /** As `ChannelTransport` has them: one shared channel. */
  readonly stderr = null
  readonly pid = null
  readonly #line: Transport
  readonly #deps: LargeLineDeps
  readonly #ended = new AbortController()

  constructor(line: Transport, deps: LargeLineDeps) {
    this.#line = line
    this.#deps = deps
    line.onmessage = (message: JSONRPCMessage) => {
      const kept = keptIn(message)
      if (kept === undefined) this.onmessage?.(message)
      else void this.#bring(message, kept)
    }
    line.onerror = (error) => this.onerror?.(error)
    line.onclose = () => {
      this.#ended.abort()
      this.onclose?.()
    }
  }

  start(): Promise<void> {
    return this.#line.start()
  }

  close(): Promise<void> {
    return this.#line.close()
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const isRead = 'method' in message && 'id' in message && message.method === 'resources/read'
    const uri = isRead ? message.params?.uri : undefined
    if (!isRead || !isPartUri(uri)) return this.#line.send(message)
    const { id } = message
    await this.#answer(id, async () => {
      return { contents: [{ ...(await this.#deps.parts.read(uri)) }], ...READ_ANSWER }
    })
  }

  /** The answer with what can be read of it here, in place of what only a node can. */
  async #bring(message: JSONRPCMessage, kept: ToolResult): Promise<void> {
    const { peer, service, whole, parts } = this.#deps
    const { signal } = this.#ended
    const { id, result } = message as unknown as { id: string | number; result: JsonObject }
    await this.#answer(id, async () => {
      let brought: ToolResult = kept
      const onlarge = async (large: LargeResult) => {
        brought = await parts.keep(large)
      }
      await whole({ peer, tool: `of ${service}` }, kept, { signal, onlarge })
      return { ...result, ...brought }
    })
  }

  async #answer(id: string | number, work: () => Promise<object>): Promise<void> {
    const answer = await work().then(
      (result) => ({ result }),
      (error: unknown) => ({ error: rpcError(error) }),
    )
    if (this.#ended.signal.aborted) return
    this.onmessage?.({ jsonrpc: '2.0', id, ...answer } as unknown as JSONRPCMessage)
  }
}

function keptIn(message: object): ToolResult | undefined {
  const { id, result } = message as { id?: unknown; result?: unknown }
  if (id === undefined || !isJsonObject(result) || !Array.isArray(result.content)) return undefined
  if (linkedResult(result.content) === undefined) return undefined
  const { content, isError } = result
  return { content: content as ToolResult['content'], ...(isError === true && { isError }) }
}
