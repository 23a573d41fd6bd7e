/**
 * The MCP SDK's transport over a pipe of frames: a stream to a peer, or a child's stdin and stdout.
 *
 * Frames come whole from below, so a message costs time in proportion to its size. The SDK hands
 * messages out without waiting for room; here they queue in order, within a budget of bytes.
 */

import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client'
import { isJsonObject, type JsonObject } from '../wire/index.ts'
import type { ByteBudget } from './byte-budget.ts'
import { McpError } from './errors.ts'
import { noteOwn } from './own-frames.ts'
import type { Pipe } from './pipe.ts'
import {
  encodeMessage,
  FRAME_BYTES_MAX,
  parseFrame,
  type Refusal,
  type RpcId,
  readMessage,
  readRefusal,
  rpcError,
} from './protocol.ts'

/** Small frames pass without counting: how many there are is bounded by the requests in work. */
const SMALL_BYTES = 16 * 1024

/** All of a budget, or one reader's share of it. */
type ReaderBudget = Pick<ByteBudget, 'limit' | 'fits' | 'take' | 'give'>

export interface TransportOptions {
  /** Added to `params._meta` of the first message: how a stream selects its service. */
  readonly firstMeta?: JsonObject
  /** What all transports that share it may hold back together. */
  readonly budget: ReaderBudget
  /** Keeps a result that is above one frame, and gives what is sent in its place. */
  readonly keep?: ((result: object) => Promise<object>) | undefined
  /** What is written is read in this process. */
  readonly staysHere?: boolean
}

export class ChannelTransport implements Transport {
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  onmessage?: ((message: JSONRPCMessage) => void) | undefined
  /**
   * The SDK tells transports with one shared channel from HTTP by these two names, and falls back
   * to the older protocol era only for the former when a probe is not answered.
   */
  readonly stderr = null
  readonly pid = null

  readonly #pipe: Pipe
  readonly #budget: ReaderBudget
  readonly #keep: TransportOptions['keep']
  readonly #staysHere: boolean
  #firstMeta: JsonObject | undefined
  #lastWrite: Promise<void> = Promise.resolve()
  #started = false
  #ended = false
  #framesRead = 0
  #refusal: Refusal | undefined

  constructor(pipe: Pipe, options: TransportOptions) {
    this.#pipe = pipe
    this.#budget = options.budget
    this.#keep = options.keep
    this.#staysHere = options.staysHere ?? false
    this.#firstMeta = options.firstMeta
  }

  /** How many frames came in: who sees it grow knows that the other side lives. */
  get framesRead(): number {
    return this.#framesRead
  }

  /** Grows with everything that arrives, also with parts of a long frame. */
  get heard(): number {
    return this.#pipe.bytesRead ?? this.#framesRead
  }

  /** The last refusal in our own form: the SDK's negotiation keeps such answers to itself. */
  get refusal(): Refusal | undefined {
    return this.#refusal
  }

  /** May be called again: the SDK does so when a probe hands over to the session. */
  async start(): Promise<void> {
    if (this.#started) return
    this.#started = true
    void this.#readAll()
  }

  async send(message: JSONRPCMessage): Promise<void> {
    let frame: Uint8Array = isLong(message)
      ? await this.#standIn(message)
      : encodeMessage(this.#withFirstMeta(message))
    const whole = isLong(message) ? undefined : frame
    // What is around the texts of a result, or how they are written, may make it longer.
    if (frame.length > FRAME_BYTES_MAX && isAnswer(message)) frame = await this.#standIn(message)
    frame = this.#fit(message, frame)
    const counted = frame.length > SMALL_BYTES ? frame.length : 0
    if (this.#staysHere && frame === whole && counted > 0) noteOwn(frame, message)
    if (!this.#budget.take(counted)) {
      throw McpError.BUSY({ what: 'memory for messages not yet sent', limit: this.#budget.limit })
    }
    const write = this.#lastWrite.then(() => this.#pipe.write(frame))
    this.#lastWrite = write.catch(() => {})
    try {
      await write
    } catch (error) {
      this.#fail(error)
      throw error
    } finally {
      this.#budget.give(counted)
    }
  }

  async close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    try {
      await this.#pipe.close()
    } catch (error) {
      this.#pipe.abort(asError(error))
    }
    this.onclose?.()
  }

  async #readAll(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#pipe.read()
        if (frame === undefined) break
        this.#framesRead += 1
        const message = parseFrame(frame)
        this.#note(message)
        this.onmessage?.(message as unknown as JSONRPCMessage)
      }
    } catch (error) {
      this.#fail(error)
    }
    await this.close()
  }

  /** Checks what the SDK would only complain about, and keeps what it would swallow. */
  #note(message: JsonObject): void {
    if (readMessage(message).kind !== 'answer') return
    const { error } = message
    if (isJsonObject(error)) this.#refusal = readRefusal(error.data) ?? this.#refusal
  }

  /** A stream that broke, or broke the rules, is of no more use. */
  #fail(error: unknown): void {
    if (this.#ended) return
    this.onerror?.(asError(error))
    this.#pipe.abort(asError(error))
    this.#ended = true
    this.onclose?.()
  }

  #withFirstMeta(message: JSONRPCMessage): object {
    if (this.#firstMeta === undefined || !('method' in message)) return message
    const meta = { ...message.params?._meta, ...this.#firstMeta }
    this.#firstMeta = undefined
    return { ...message, params: { ...message.params, _meta: meta } }
  }

  /** An answer that cannot be sent becomes one that can; a request that cannot is the caller's. */
  #fit(message: JSONRPCMessage, frame: Uint8Array): Uint8Array {
    const answers = 'id' in message && !('method' in message)
    const tooLarge = frame.length > FRAME_BYTES_MAX
    const small = frame.length <= SMALL_BYTES
    if (small || (!tooLarge && (!answers || this.#budget.fits(frame.length)))) return frame
    const error = tooLarge
      ? McpError.RESULT_TOO_LARGE({ size: frame.length, limit: FRAME_BYTES_MAX })
      : McpError.RESULT_UNSENT({
          what: 'memory for answers not yet read',
          limit: this.#budget.limit,
        })
    if (!answers) throw error
    return encodeMessage({ jsonrpc: '2.0', id: message.id, error: rpcError(error) })
  }

  /** What is sent for an answer that is longer than a frame, and is not written out for that. */
  async #standIn(message: LongAnswer): Promise<Uint8Array> {
    const { id, result } = message
    try {
      const limit = FRAME_BYTES_MAX
      if (this.#keep === undefined) {
        throw McpError.RESULT_TOO_LARGE({ size: textChars(result), limit })
      }
      return encodeMessage({ jsonrpc: '2.0', id, result: await this.#keep(result) })
    } catch (error) {
      return encodeMessage({ jsonrpc: '2.0', id, error: rpcError(error) })
    }
  }
}

interface LongAnswer {
  readonly id: RpcId
  readonly result: object
}

/** Whether its texts alone are longer than a frame; what is around them is seen when written. */
function isLong(message: object): message is LongAnswer {
  return isAnswer(message) && textChars(message.result) > FRAME_BYTES_MAX
}

function isAnswer(message: object): message is LongAnswer {
  return 'result' in message && 'id' in message && !('method' in message)
}

/** At least so many bytes are the texts and the data of a result. */
export function textChars(result: unknown): number {
  const { content } = (result ?? {}) as { content?: unknown }
  if (!Array.isArray(content)) return 0
  let chars = 0
  for (const block of content) {
    if (!isJsonObject(block)) continue
    const { text, data } = block
    if (typeof text === 'string') chars += text.length
    if (typeof data === 'string') chars += data.length
  }
  return chars
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : McpError.PIPE_ENDED({ wanted: 'go on' }, error)
}
