/** The methods that this node serves, and what becomes of a call: always an answer that fits. */

import { assert, CodedError, type Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Cbor } from '../wire/index.ts'
import { RpcError } from './errors.ts'
import {
  type Answer,
  encodeAnswer,
  FRAME_BYTES_MAX,
  isMethod,
  type Request,
  toFailure,
} from './protocol.ts'

/** Who asks, and a signal that aborts when nobody waits for the answer any more. */
export interface ServeContext {
  readonly peer: PeerId
  readonly signal: AbortSignal
}

/** Answers one call. The payload is a stranger's: check it before use. */
export type Serve = (payload: Cbor, context: ServeContext) => Promise<Cbor>

export class Methods {
  readonly #log: Logger
  readonly #serve = new Map<string, Serve>()

  constructor(log: Logger) {
    this.#log = log
  }

  add(method: string, serve: Serve): void {
    assert(isMethod(method), `"${method}" is a name for a method`)
    assert(!this.#serve.has(method), `the method "${method}" has one handler`)
    this.#serve.set(method, serve)
  }

  async run({ method, payload }: Request, context: ServeContext): Promise<Cbor> {
    const serve = this.#serve.get(method)
    if (serve === undefined) throw RpcError.METHOD_UNKNOWN({ method })
    return serve(payload, context)
  }

  /** An error with a code is meant to be told; any other stays here, in the log. */
  failed(request: Pick<Request, 'id' | 'method'>, error: unknown): Answer {
    const { id, method } = request
    if (error instanceof CodedError && error.code !== 'BASE_BUG') {
      return { id, ok: false, failure: toFailure(error as CodedError) }
    }
    this.#log.error('rpc method failed', { method, error })
    return { id, ok: false, failure: toFailure(RpcError.INTERNAL({ method })) }
  }

  /** The frame of an answer, or of the error that it cannot be sent. */
  encode(request: Pick<Request, 'id' | 'method'>, answer: Answer): Uint8Array {
    const { method } = request
    let frame: Uint8Array
    try {
      frame = encodeAnswer(answer)
    } catch (error) {
      this.#log.error('rpc method answered what cannot be sent', { method, error })
      return encodeAnswer(this.failed(request, RpcError.INTERNAL({ method })))
    }
    if (frame.length <= FRAME_BYTES_MAX) return frame
    const facts = { method, size: frame.length, limit: FRAME_BYTES_MAX }
    return encodeAnswer(this.failed(request, RpcError.ANSWER_TOO_LARGE(facts)))
  }
}
