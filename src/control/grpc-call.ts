/** What every gRPC call has: an end that its caller may bring about, an id, and coded errors. */

import type { ServerWritableStream } from '@grpc/grpc-js'
import { newId, type Random, withCorrelation } from '../base/index.ts'
import { ControlError } from './errors.ts'
import type { EventSink } from './event-reader.ts'
import { codedOf, grpcErrorOf } from './grpc-status.ts'
import type { ApiDeps } from './http.ts'
import type { ServedAgent } from './served-agent.ts'

export interface GrpcDeps extends ApiDeps {
  readonly random: Random
  /** Null where the node has no agent. */
  readonly agent: () => ServedAgent | null
  /** Ends the node; absent where nobody gave a way. */
  readonly stopNode?: () => void
}

/** The part of a call that says when its caller is gone. */
export interface Cancellable {
  readonly cancelled: boolean
  on(event: 'cancelled', listener: () => void): unknown
}

/** Does `work` for a call; what it throws becomes the status of the answer. */
export async function answer<T>(
  { random, log }: Pick<GrpcDeps, 'random' | 'log'>,
  call: Cancellable & { getPath(): string },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<{ readonly value: T } | { readonly error: ReturnType<typeof grpcErrorOf> }> {
  const correlationId = newId(random)
  return await withCorrelation(correlationId, async () => {
    try {
      return { value: await work(goneSignal(call)) }
    } catch (error) {
      return { error: grpcErrorOf(codedOf(error, { method: call.getPath(), correlationId }, log)) }
    }
  })
}

function goneSignal(call: Cancellable): AbortSignal {
  const gone = new AbortController()
  const end = () => gone.abort(ControlError.CALLER_GONE({}))
  call.on('cancelled', end)
  if (call.cancelled) end()
  return gone.signal
}

/** How items of one kind are written to a stream. */
export interface Written<Item, Message> {
  readonly messageOf: (item: Item) => Message
  readonly lagged: (missed: number) => Message
  readonly bytesOf: (item: Item) => number
}

/** A stream of answers as a place for events. HTTP/2 itself looks whether the caller lives. */
export function callSink<Item, Message>(
  call: ServerWritableStream<unknown, Message>,
  { messageOf, lagged, bytesOf }: Written<Item, Message>,
): EventSink<Item> {
  return {
    get isFull() {
      return call.destroyed || call.writableEnded || call.writableNeedDrain
    },
    onDrain: (flush) => void call.on('drain', flush),
    onClose: (closed) => void call.once('close', closed),
    write: (item) => void call.write(messageOf(item)),
    lagged: (missed) => void call.write(lagged(missed)),
    beat: () => undefined,
    bytesOf,
    end: () => void call.end(),
    cut: () => void call.destroy(),
  }
}
