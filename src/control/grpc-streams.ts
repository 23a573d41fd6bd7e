/** Operations of `p2p_foundation.Node` whose answer is a stream of their own kind. */

import { createHash } from 'node:crypto'
import type { ServerWritableStream } from '@grpc/grpc-js'
import { peerId } from '../identity/index.ts'
import type { LargeResult, ToolArgs, ToolResult } from '../mcp/index.ts'
import type { Given } from './api.ts'
import { drained, pieces, VERDICT_MS } from './call-output.ts'
import { ControlError } from './errors.ts'
import type { GrpcDeps } from './grpc-call.ts'
import { protoValue } from './grpc-value.ts'
import { holdLease } from './lease.ts'
import type { OutputHead } from './shapes/tools/api.ts'

type Stream = ServerWritableStream<unknown, unknown>

const WRITE_CHARS = 65_536

/** A service that lives as long as the caller reads. */
export async function streamLease(
  { node, clock, log }: GrpcDeps,
  {
    spec,
    call,
    gone,
  }: {
    readonly spec: Given<'exposeAttached'>
    readonly call: Stream
    readonly gone: AbortSignal
  },
): Promise<void> {
  const reader = {
    isFull: () => call.destroyed || call.writableNeedDrain,
    open: () => undefined,
    tell: (event: object) => void call.write(protoValue(event)),
    end: () => undefined,
    cut: () => void call.destroy(),
  }
  await holdLease({ services: node.services, clock, log }, { spec, reader, gone })
}

/** A call of a tool, its result part by part, as fast as the caller reads. */
export async function streamOutput(
  { node, clock }: GrpcDeps,
  {
    given,
    call,
    gone,
    waitMs,
  }: {
    readonly given: Given<'callOutput'>
    readonly call: Stream
    readonly gone: AbortSignal
    readonly waitMs: number
  },
): Promise<void> {
  const { tool, args, peer, ...limits } = given
  using deadline = clock.deadline((limits.timeoutMs ?? waitMs) + VERDICT_MS, gone)
  const { signal } = deadline
  const output = new Output(call, signal)
  const target = { ...limits, ...(peer !== undefined && { peer: peerId(peer) }), signal }
  const onlarge = (result: LargeResult) => output.large(result)
  const result = await node.tools.call(tool, args as ToolArgs, { ...target, onlarge })
  if (!output.isOpen) await output.whole(result.peer, result)
}

class Output {
  isOpen = false
  readonly #call: Stream
  readonly #signal: AbortSignal

  constructor(call: Stream, signal: AbortSignal) {
    this.#call = call
    this.#signal = signal
  }

  async large({ peer, bytes, sha256, isError = false, parts }: LargeResult): Promise<void> {
    this.#open({ peer, bytes, sha256, isError })
    for await (const part of parts) await this.#data(part)
  }

  /** One that is in memory is written twice, once for its hash, and never held as text as well. */
  async whole(peer: string, { content, structuredContent, isError }: ToolResult): Promise<void> {
    const said = { content, structuredContent, isError }
    const hash = createHash('sha256')
    let bytes = 0
    for (const part of pieces(said)) {
      bytes += part.length
      hash.update(part)
    }
    this.#open({ peer, bytes, sha256: hash.digest('hex'), isError: isError === true })
    for (const part of pieces(said)) await this.#data(part)
  }

  #open(head: OutputHead): void {
    // A second peer that was asked for the same result cannot have its own after that of the first.
    if (this.isOpen) throw ControlError.CALLER_GONE({})
    this.isOpen = true
    this.#call.write({ head })
  }

  async #data(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += WRITE_CHARS) {
      this.#signal.throwIfAborted()
      if (this.#call.write({ data: bytes.subarray(at, at + WRITE_CHARS) })) continue
      await drained(this.#call, this.#signal)
    }
  }
}
