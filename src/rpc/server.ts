/**
 * Calls of peers: admitted, read, served and answered, many at once on one stream.
 *
 * The policy is asked before anything of a request is read but its id, which an answer needs. A
 * refusal is written before the next request is read, so that who floods us waits for us.
 */

import type { Policy } from '../access/index.ts'
import { type Clock, either, every, type Logger, race, type Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Channel, Host } from '../net/index.ts'
import { type Cbor, WireError } from '../wire/index.ts'
import type { RpcConfig } from './config.ts'
import { RpcError } from './errors.ts'
import { FrameWriter } from './frame-writer.ts'
import { Methods, type Serve } from './methods.ts'
import type { RpcMetrics } from './metrics.ts'
import { type Answer, decodeRequest, peekRequestId, type Request, rpcProtocol } from './protocol.ts'

/** How long a goodbye waits for a peer to take the answers that are written. */
const STOP_TIMEOUT_MS = 1_000

/** What the server needs. */
export interface RpcServerDeps {
  readonly host: Pick<Host, 'handle'>
  readonly policy: Policy
  readonly network: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: RpcMetrics
}

/** One stream that a peer opened to us. */
interface Line {
  readonly channel: Channel
  readonly writer: FrameWriter
  /** Aborts when the stream is gone or the server stops: then nobody waits for answers. */
  readonly over: AbortSignal
  /** Calls whose answer is not written yet. */
  readonly answering: Set<Promise<void>>
  activeAtMs: number
}

/** Serves the methods given to `handle` to every peer that the policy admits. */
export class RpcServer implements Service {
  readonly name = 'rpc-server'
  readonly #deps: RpcServerDeps
  readonly #config: RpcConfig
  readonly #methods: Methods
  readonly #lines = new Set<Line>()
  readonly #servingOf = new Map<PeerId, number>()
  readonly #stopped = new AbortController()
  #serving = 0

  constructor(deps: RpcServerDeps, config: RpcConfig) {
    this.#deps = deps
    this.#config = config
    this.#methods = new Methods(deps.log)
  }

  /** Offers a method. Names are given once, by us, before peers come. */
  handle(method: string, serve: Serve): void {
    this.#methods.add(method, serve)
  }

  async start(): Promise<void> {
    const { host, clock, network, log } = this.#deps
    await host.handle(rpcProtocol(network), (channel) => this.#serveChannel(channel))
    // Twice as long as the caller waits, so that it is the caller who closes.
    const sweep = () => this.#closeIdle(2 * this.#config.idleMs)
    every(clock, this.#config.idleMs, sweep, this.#stopped.signal).catch((error: unknown) => {
      log.error('rpc sweep ended', { error })
    })
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    using deadline = this.#deps.clock.deadline(STOP_TIMEOUT_MS)
    const farewell = async ({ channel }: Line): Promise<void> => {
      try {
        await race(channel.close(), deadline.signal)
      } catch (error) {
        if (error instanceof Error) channel.abort(error)
      }
    }
    await Promise.all([...this.#lines].map(farewell))
  }

  async #serveChannel(channel: Channel): Promise<void> {
    const { clock } = this.#deps
    const { signal: stopped } = this.#stopped
    using over = either(channel.closed, stopped)
    const line: Line = {
      channel,
      writer: new FrameWriter(channel, { clock, timeoutMs: this.#config.callTimeoutMs }),
      over: over.signal,
      answering: new Set(),
      activeAtMs: clock.now(),
    }
    this.#lines.add(line)
    try {
      for (;;) {
        // Waits as long as the stream lives; the sweep ends streams on which nothing happens.
        const frame = await channel.read({ signal: stopped })
        if (frame === undefined) break
        line.activeAtMs = clock.now()
        await this.#take(line, frame)
      }
      await Promise.all(line.answering)
      await channel.close()
    } catch (error) {
      // A peer that drops its stream takes its calls back; that is no failure.
      if (stopped.aborted || channel.closed.aborted) return
      if (error instanceof Error) channel.abort(error)
      throw error
    } finally {
      this.#lines.delete(line)
    }
  }

  /** Resolves when the request is being served, or when its refusal is written. */
  async #take(line: Line, frame: Uint8Array): Promise<void> {
    const id = peekRequestId(frame)
    if (id === undefined) throw WireError.MALFORMED({ field: 'rpc request', found: 'no id' })
    const { peer } = line.channel
    let reserved = false
    try {
      reserved = reserve(line.channel, frame.length)
      this.#admit(peer)
    } catch (error) {
      if (reserved) line.channel.reserve?.(-frame.length)
      this.#deps.metrics.served.add(1, { outcome: 'refused' })
      const unread = { id, method: '' }
      await line.writer.write(this.#methods.encode(unread, this.#methods.failed(unread, error)))
      return
    }
    const request = decodeRequest(frame)
    this.#count(peer, 1)
    const answered = this.#answer(line, request)
    line.answering.add(answered)
    void answered.then(() => {
      line.answering.delete(answered)
      line.channel.reserve?.(-frame.length)
    })
  }

  #admit(peer: PeerId): void {
    const { inFlightPerPeerMax, servingMax } = this.#config
    if ((this.#servingOf.get(peer) ?? 0) >= inFlightPerPeerMax) {
      throw RpcError.BUSY({ limit: inFlightPerPeerMax, of: 'peer' })
    }
    if (this.#serving >= servingMax) throw RpcError.BUSY({ limit: servingMax, of: 'node' })
    this.#deps.policy.admit(peer, 'rpc.call')
  }

  /** Resolves when the answer is written, or cannot be. Never rejects. */
  async #answer(line: Line, request: Request): Promise<void> {
    const { clock, log, metrics } = this.#deps
    const { peer } = line.channel
    using deadline = clock.deadline(this.#config.serveTimeoutMs, line.over)
    const served = this.#methods.run(request, { peer, signal: deadline.signal })
    try {
      const answer = await this.#settle(request, race(served, deadline.signal))
      metrics.served.add(1, { outcome: answer.ok ? 'ok' : 'failed' })
      line.over.throwIfAborted()
      await this.#write(line, request, answer)
    } catch (error) {
      log.debug('rpc answer not delivered', { peer, method: request.method, error })
    }
    line.activeAtMs = clock.now()
    // A method that goes on after its time keeps its place, or it could be started without bound.
    void served.catch(() => undefined).then(() => this.#count(peer, -1))
  }

  /** What waits to be written counts for the peer; where that is too much, it is told so. */
  async #write({ channel, writer }: Line, request: Request, answer: Answer): Promise<void> {
    const frame = this.#methods.encode(request, answer)
    try {
      reserve(channel, frame.length)
    } catch (error) {
      await writer.write(this.#methods.encode(request, this.#methods.failed(request, error)))
      return
    }
    try {
      await writer.write(frame)
    } finally {
      channel.reserve?.(-frame.length)
    }
  }

  async #settle(request: Request, served: Promise<Cbor>): Promise<Answer> {
    try {
      return { id: request.id, ok: true, payload: await served }
    } catch (error) {
      return this.#methods.failed(request, error)
    }
  }

  #count(peer: PeerId, change: 1 | -1): void {
    this.#serving += change
    const ofPeer = (this.#servingOf.get(peer) ?? 0) + change
    if (ofPeer === 0) this.#servingOf.delete(peer)
    else this.#servingOf.set(peer, ofPeer)
  }

  #closeIdle(idleMs: number): void {
    const before = this.#deps.clock.now() - idleMs
    for (const { channel, answering, activeAtMs } of this.#lines) {
      if (answering.size > 0 || activeAtMs > before) continue
      channel.abort(RpcError.IDLE({ peer: channel.peer, afterMs: idleMs }))
    }
  }
}

/** Counts what is kept for a channel; throws where its peer has too much already. */
function reserve(channel: Channel, size: number): true {
  if (channel.reserve?.(size) === false) throw RpcError.EXHAUSTED({ size })
  return true
}
