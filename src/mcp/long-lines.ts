/**
 * Lines of a process, of which one may be longer than a frame: it is not held but kept in the store
 * as it comes, where it is the answer to a call, and what stands for it is given in its place.
 * Where it cannot be kept, whoever asked is told why, and the process goes on.
 */

import { indexOfByte } from '../base/index.ts'
import { FrameSplitter, type JsonObject, Pieces } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { LongAnswer } from './long-answer.ts'
import { encodeMessage, FRAME_BYTES_MAX, type RpcId, rpcError } from './protocol.ts'
import { type KeptResult, linkTo } from './result-protocol.ts'
import type { ResultWriter } from './result-store.ts'

/** Where a long answer goes; throws where there is no room. */
export type OpenWriter = () => Promise<ResultWriter>

const LINE_FEED = 0x0a

interface Long {
  readonly answer: LongAnswer
  readonly writer: ResultWriter | undefined
  failure: unknown
  bytes: number
}

export class LongLines {
  readonly #open: OpenWriter | undefined
  #splitter = new FrameSplitter('line', FRAME_BYTES_MAX)
  /** The line that has not ended, as long as it may still be a frame. */
  readonly #held = new Pieces()
  #long: Long | undefined

  constructor(open?: OpenWriter) {
    this.#open = open
  }

  /** Whole frames, after what is long among them was taken away. */
  async push(chunk: Uint8Array): Promise<Uint8Array[]> {
    const frames: Uint8Array[] = []
    let rest = chunk
    while (this.#long !== undefined || this.#isTooLong(rest)) {
      this.#long ??= await this.#begin()
      const end = indexOfByte(rest, LINE_FEED)
      await this.#write(this.#long, end < 0 ? rest : rest.subarray(0, end))
      if (end < 0) return frames
      const answer = await this.#end(this.#long)
      this.#long = undefined
      if (answer !== undefined) frames.push(answer)
      rest = rest.subarray(end + 1)
    }
    this.#hold(rest)
    return [...frames, ...this.#splitter.push(rest)]
  }

  /** Forgets what was not whole. */
  async close(): Promise<void> {
    await this.#long?.writer?.drop()
    this.#long = undefined
  }

  #isTooLong(chunk: Uint8Array): boolean {
    const end = indexOfByte(chunk, LINE_FEED)
    return this.#held.size + (end < 0 ? chunk.length : end) > FRAME_BYTES_MAX
  }

  #hold(chunk: Uint8Array): void {
    const end = chunk.lastIndexOf(LINE_FEED)
    if (end >= 0) this.#held.clear()
    this.#held.add(chunk.subarray(end + 1), FRAME_BYTES_MAX - this.#held.size)
  }

  async #begin(): Promise<Long> {
    const answer = new LongAnswer()
    let failure: unknown
    const writer = await this.#open?.().catch((error: unknown) => {
      failure = error
      return undefined
    })
    const long: Long = { answer, writer, failure, bytes: 0 }
    await this.#write(long, this.#held.take())
    this.#splitter = new FrameSplitter('line', FRAME_BYTES_MAX)
    return long
  }

  async #write(long: Long, piece: Uint8Array): Promise<void> {
    long.bytes += piece.length
    for (const bytes of long.answer.push(piece)) {
      if (long.writer === undefined || long.failure !== undefined) continue
      try {
        await long.writer.write(bytes)
      } catch (error) {
        long.failure = error
        await long.writer.drop()
      }
    }
  }

  /** What is handed on in place of the line; nothing, where nobody waits for it. */
  async #end({ answer, writer, failure, bytes }: Long): Promise<Uint8Array | undefined> {
    const id = idOf(answer.id)
    if (answer.isAnswer && id !== undefined && writer !== undefined && failure === undefined) {
      return answerFrame(id, await writer.finish())
    }
    await writer?.drop()
    if (id === undefined) return undefined
    const tooLarge = McpError.RESULT_TOO_LARGE({ size: bytes, limit: FRAME_BYTES_MAX })
    return encodeMessage({ jsonrpc: '2.0', id, error: rpcError(failure ?? tooLarge) })
  }
}

function answerFrame(id: RpcId, kept: KeptResult): Uint8Array {
  // The newer era wants to be told that nothing is missing; the older passes over it.
  const result: JsonObject = { content: [linkTo(kept)], resultType: 'complete' }
  return encodeMessage({ jsonrpc: '2.0', id, result })
}

function idOf(json: string | undefined): RpcId | undefined {
  try {
    const id: unknown = JSON.parse(json ?? '')
    return typeof id === 'string' || Number.isSafeInteger(id) ? (id as RpcId) : undefined
  } catch {
    return undefined
  }
}
