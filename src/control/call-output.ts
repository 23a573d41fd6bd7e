/**
 * A call whose result is not held: the answer is one line of JSON that says whose the result is,
 * how long and under which hash, then its bytes, as JSON of the tool's `result`.
 *
 * A result that its peer keeps passes part by part, as fast as our caller reads. Where it breaks
 * off, so does the answer: whoever has fewer bytes than were told has no result. Who reads trailers
 * is told why.
 */

import { createHash } from 'node:crypto'
import { type EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type Clock, type Logger, utf8 } from '../base/index.ts'
import { peerId } from '../identity/index.ts'
import { jsonParts, type LargeResult, type ToolArgs, type ToolResult } from '../mcp/index.ts'
import type { Given } from './api.ts'
import { ERROR_TRAILER } from './error-reply.ts'
import { ControlError } from './errors.ts'
import type { ServedNode } from './served-node.ts'
import type { OutputHead } from './shapes/tools/api.ts'

export interface CallOutputDeps {
  readonly node: Pick<ServedNode, 'tools'>
  readonly clock: Clock
  readonly log: Logger
}

export interface CallOutput {
  readonly given: Given<'callOutput'>
  readonly response: ServerResponse
  /** Aborts when the caller is gone. */
  readonly gone: AbortSignal
  /** How long it may take where the caller does not say. */
  readonly waitMs: number
  /** Whether the caller reads behind the last byte why there are no more. */
  readonly isTold: boolean
  /** Ends an answer that had begun. */
  readonly breakOff: (error: unknown) => void
}

/** How long a node may take to say what became of a call whose time is over. */
export const VERDICT_MS = 1_000
/** Small pieces are sent together. */
const WRITE_CHARS = 64 * 1_024

/** Rejects with nothing sent where there is no result; calls `opened` before the first byte. */
export async function callToOutput(
  { node, clock, log }: CallOutputDeps,
  { given, response, gone, waitMs, isTold, breakOff }: CallOutput,
  opened: () => void,
): Promise<void> {
  const { tool, args, peer, ...limits } = given
  using deadline = clock.deadline((limits.timeoutMs ?? waitMs) + VERDICT_MS, gone)
  const { signal } = deadline
  const headers = { 'content-type': 'application/octet-stream' }
  const sent = new SentResult(response, signal, () => {
    opened()
    response.writeHead(200, { ...headers, ...(isTold && { trailer: ERROR_TRAILER }) })
  })
  const target = { ...limits, ...(peer !== undefined && { peer: peerId(peer) }), signal }
  const onlarge = (result: LargeResult) => sent.large(result)
  try {
    const result = await node.tools.call(tool, args as ToolArgs, { ...target, onlarge })
    if (!sent.isOpen) await sent.whole(result.peer, result)
    response.end()
  } catch (error) {
    if (!sent.isOpen) throw error
    log.debug('result broke off', { tool, error })
    await ended(response, () => breakOff(error), clock)
  }
}

/** What is written is on its way soon, or nobody is reading. */
async function ended(response: ServerResponse, end: () => void, clock: Clock): Promise<void> {
  if (response.destroyed) return
  using deadline = clock.deadline(VERDICT_MS)
  const closed = once(response, 'close', { signal: deadline.signal })
  end()
  await closed.catch(() => response.destroy())
}

class SentResult {
  isOpen = false
  readonly #response: ServerResponse
  readonly #signal: AbortSignal
  readonly #opened: () => void

  constructor(response: ServerResponse, signal: AbortSignal, opened: () => void) {
    this.#response = response
    this.#signal = signal
    this.#opened = opened
  }

  async large({ peer, bytes, sha256, isError = false, parts }: LargeResult): Promise<void> {
    this.#open({ peer, bytes, sha256, isError })
    for await (const part of parts) await this.#write(part)
  }

  /** One that is in memory is written twice, once for its hash, and never held as text as well. */
  async whole(peer: string, result: ToolResult): Promise<void> {
    const { content, structuredContent, isError } = result
    const said = { content, structuredContent, isError }
    const hash = createHash('sha256')
    let bytes = 0
    for (const part of pieces(said)) {
      bytes += part.length
      hash.update(part)
    }
    this.#open({ peer, bytes, sha256: hash.digest('hex'), isError: isError === true })
    for (const part of pieces(said)) await this.#write(part)
  }

  #open(head: OutputHead): void {
    // A second peer that was asked for the same result cannot have its own after that of the first.
    if (this.isOpen) throw ControlError.CALLER_GONE({})
    this.isOpen = true
    this.#opened()
    this.#response.write(`${JSON.stringify(head)}\n`)
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#signal.throwIfAborted()
    if (this.#response.write(bytes)) return
    await drained(this.#response, this.#signal)
  }
}

/** Waits for room to write; throws what `signal` was aborted with. */
export async function drained(to: EventEmitter, signal: AbortSignal): Promise<void> {
  try {
    await once(to, 'drain', { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}

/** The JSON of `value` in pieces worth writing. */
export function* pieces(value: object): Generator<Uint8Array> {
  let text = ''
  for (const part of jsonParts(value)) {
    text += part
    if (text.length < WRITE_CHARS) continue
    yield utf8(text)
    text = ''
  }
  yield utf8(text)
}
