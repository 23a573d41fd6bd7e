/**
 * Reads a result that its peer keeps (`result-protocol.ts`), from where it was when a stream
 * breaks, and makes of it the result that the tool gave.
 */

import { createHash } from 'node:crypto'
import { type Clock, fromUtf8, type Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import { parseJson } from '../wire/index.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import {
  decodeHead,
  encodeQuestion,
  type KeptResult,
  linkedResult,
  resultProtocol,
} from './result-protocol.ts'
import type { ToolResult } from './tool.ts'
import { cleanRefusal, messageOf, readToolResult } from './tool-call.ts'

/** Streams in a row that break without one more byte. */
const FRUITLESS_MAX = 3
const AGAIN_MS = 500

export interface ResultReaderDeps {
  readonly host: Pick<Host, 'open'>
  readonly clock: Clock
  readonly log: Logger
  readonly network: string
}

/** A result above one frame, for who takes it in parts: the JSON of all that the tool answered. */
export interface LargeResult {
  readonly peer: PeerId
  readonly bytes: number
  readonly sha256: string
  /** Whether the tool says that it failed, where that was said beside the result. */
  readonly isError?: boolean
  /** In order, once; fails at the end where the hash is not that of the answer. */
  readonly parts: AsyncIterable<Uint8Array>
}

/** Is given a result that is longer than a frame, in pieces, as they come. */
export type OnLarge = (result: LargeResult) => Promise<void> | void

/** Whose result it is, and of which tool. */
export interface ResultOf {
  readonly peer: PeerId
  readonly tool: string
}

export interface ReadOptions {
  readonly signal: AbortSignal
  /** Takes the result in parts, in place of having it in memory. */
  readonly onlarge?: OnLarge | undefined
  /** Until when it may take it; as long as `signal` unless given. */
  readonly takenUntil?: AbortSignal | undefined
}

export class ResultReader {
  readonly #deps: ResultReaderDeps
  readonly #config: Pick<McpConfig, 'resultBytesMax'>

  constructor(deps: ResultReaderDeps, config: Pick<McpConfig, 'resultBytesMax'>) {
    this.#deps = deps
    this.#config = config
  }

  /** The result as it is, unless it only names one that the peer keeps: then that one. */
  async whole(of: ResultOf, result: ToolResult, options: ReadOptions): Promise<ToolResult> {
    const kept = linkedResult(result.content)
    if (kept === undefined) return result
    const { signal, onlarge, takenUntil = signal } = options
    const parts = this.#parts(of, kept, onlarge === undefined ? signal : takenUntil)
    if (onlarge !== undefined) {
      const { size: bytes, sha256 } = kept
      await onlarge({ peer: of.peer, bytes, sha256, isError: result.isError === true, parts })
      return result
    }
    const { resultBytesMax: limit } = this.#config
    if (kept.size > limit) throw McpError.RESULT_TOO_LARGE({ size: kept.size, limit })
    // In one piece from the first: a peer that sends it byte by byte makes us keep no more.
    const read = new Uint8Array(kept.size)
    let at = 0
    for await (const part of parts) {
      read.set(part, at)
      at += part.length
    }
    return resultIn(read, of)
  }

  async *#parts(of: ResultOf, kept: KeptResult, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256')
    let read = 0
    let fruitless = 0
    let reason = 'its stream broke'
    const late = () => McpError.RESULT_TIMEOUT({ ...of, size: kept.size, read }, signal.reason)
    while (read < kept.size && fruitless < FRUITLESS_MAX) {
      const before = read
      try {
        for await (const part of this.#stream(of, kept, { from: read, signal })) {
          read += part.length
          hash.update(part)
          yield part
        }
        if (read < kept.size) reason = 'its stream ended early'
      } catch (error) {
        if (signal.aborted) throw late()
        this.#deps.log.debug('stream of a result broke', { ...of, read, error })
        reason = error instanceof Error ? error.message : reason
      }
      fruitless = read > before ? 0 : fruitless + 1
      if (read === kept.size) break
      await this.#deps.clock.sleep(AGAIN_MS, signal).catch(() => {
        throw late()
      })
    }
    if (read === kept.size && hash.digest('hex') === kept.sha256) return
    if (read === kept.size) reason = 'they do not have the hash that its answer named'
    throw McpError.RESULT_LOST({ ...of, size: kept.size, read, reason })
  }

  /** One stream, from `from` until it ends. */
  async *#stream(
    { peer, tool }: ResultOf,
    kept: KeptResult,
    { from, signal }: { readonly from: number; readonly signal: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    const { host, network } = this.#deps
    const channel = await host.open(peer, resultProtocol(network), { signal })
    try {
      await channel.write(encodeQuestion({ result: kept.id, from }), { signal })
      const first = await channel.read({ signal })
      if (first === undefined) return
      const head = decodeHead(first)
      if ('error' in head) {
        const { message, code } = cleanRefusal(head.error)
        throw McpError.PEER_REFUSED({ peer, tool, code, message })
      }
      for (let left = kept.size - from; left > 0; ) {
        const part = await channel.read({ signal })
        if (part === undefined) return
        if (part.length > left) throw McpError.REQUEST_INVALID({ found: 'more bytes than it has' })
        if (part.length === 0) throw McpError.REQUEST_INVALID({ found: 'a part without bytes' })
        left -= part.length
        yield part
      }
      await channel.close()
    } finally {
      channel.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
    }
  }
}

/** The tool ran, whatever its server made of the answer: other codes could say that it did not. */
function resultIn(bytes: Uint8Array, of: ResultOf): ToolResult {
  const facts = { ...of, size: bytes.length, read: bytes.length }
  let result: ToolResult | undefined
  try {
    const limit = { bytesMax: bytes.length }
    result = readToolResult(parseJson(fromUtf8(bytes), 'result of a tool', limit))
  } catch (cause) {
    throw McpError.RESULT_LOST({ ...facts, reason: messageOf(cause) }, cause)
  }
  if (result !== undefined) return result
  throw McpError.RESULT_LOST({ ...facts, reason: 'its content is no list of objects' })
}
