/** Our calls to peers: one line for each, a deadline for every call, and a bound on both. */

import { type Clock, every, hasCode, type Logger, type Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { Cbor } from '../wire/index.ts'
import type { RpcConfig } from './config.ts'
import { RpcError } from './errors.ts'
import type { RpcMetrics } from './metrics.ts'
import { PeerLine } from './peer-line.ts'
import { rpcProtocol } from './protocol.ts'

/** What the client needs. */
export interface RpcClientDeps {
  readonly host: Pick<Host, 'open'>
  readonly network: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: RpcMetrics
}

const RETIRE_CHECK_MS = 250

/** Calls peers by method name; a stream is opened at the first call to a peer and kept. */
export class RpcClient implements Service {
  readonly name = 'rpc-client'
  readonly #deps: RpcClientDeps
  readonly #config: RpcConfig
  /** The one used longest ago comes first. */
  readonly #lines = new Map<PeerId, PeerLine>()
  readonly #stopped = new AbortController()

  constructor(deps: RpcClientDeps, config: RpcConfig) {
    this.#deps = deps
    this.#config = config
  }

  async start(): Promise<void> {
    const { clock, log } = this.#deps
    const sweep = () => this.#closeIdle()
    every(clock, this.#config.idleMs / 2, sweep, this.#stopped.signal).catch((error: unknown) => {
      log.error('rpc sweep ended', { error })
    })
  }

  async stop(): Promise<void> {
    const error = RpcError.STOPPED({})
    this.#stopped.abort(error)
    for (const line of this.#lines.values()) line.abort(error)
    this.#lines.clear()
  }

  /**
   * Resolves with what `peer` answers. Rejects with the peer's own error code, with a retryable
   * `RPC_TIMEOUT` or `RPC_CHANNEL_BROKEN` when there was no answer, or with the signal's reason.
   */
  async call(
    peer: PeerId,
    method: string,
    payload: Cbor,
    { signal }: CallOptions = {},
  ): Promise<Cbor> {
    const { clock, metrics } = this.#deps
    const { callTimeoutMs } = this.#config
    const startedAtMs = clock.now()
    this.#stopped.signal.throwIfAborted()
    signal?.throwIfAborted()
    const line = this.#lineTo(peer, method)
    using deadline = clock.deadline(callTimeoutMs, signal)
    try {
      const answer = await line.call(method, payload, deadline.signal)
      metrics.calls.add(1, { outcome: 'ok' })
      metrics.callSeconds.observe((clock.now() - startedAtMs) / 1_000)
      return answer
    } catch (error) {
      const givenUp = signal?.aborted === true
      const timedOut = deadline.signal.aborted && !givenUp
      const broken = hasCode(error, 'RPC_CHANNEL_BROKEN') ? 'broken' : 'failed'
      metrics.calls.add(1, { outcome: givenUp ? 'given_up' : timedOut ? 'timeout' : broken })
      if (timedOut) throw RpcError.TIMEOUT({ peer, method, afterMs: callTimeoutMs }, error)
      throw error
    }
  }

  /**
   * There is a better path to `peer`: calls from now on go over a stream of their own, and the one
   * that is open ends when its calls are answered.
   */
  renew(peer: PeerId): void {
    const line = this.#lines.get(peer)
    if (line === undefined) return
    this.#lines.delete(peer)
    void this.#retire(line)
  }

  /** Every call has its deadline, so this ends. */
  async #retire(line: PeerLine): Promise<void> {
    const { signal } = this.#stopped
    while (line.isBusy && !signal.aborted) {
      await this.#deps.clock.sleep(RETIRE_CHECK_MS, signal).catch(() => undefined)
    }
    if (signal.aborted) line.abort(RpcError.STOPPED({}))
    else await line.close()
  }

  #lineTo(peer: PeerId, method: string): PeerLine {
    const { host, network, clock } = this.#deps
    const known = this.#lines.get(peer)
    if (known === undefined) this.#makeRoom(peer, method)
    const open = (options: CallOptions) => host.open(peer, rpcProtocol(network), options)
    const line = known ?? new PeerLine({ peer, open, clock }, this.#config)
    this.#lines.delete(peer)
    this.#lines.set(peer, line)
    return line
  }

  #makeRoom(peer: PeerId, method: string): void {
    const { peersMax } = this.#config
    if (this.#lines.size < peersMax) return
    for (const [other, line] of this.#lines) {
      if (line.isBusy) continue
      this.#drop(other, line)
      return
    }
    throw RpcError.PEERS_EXHAUSTED({ peer, method, limit: peersMax })
  }

  #closeIdle(): void {
    const before = this.#deps.clock.now() - this.#config.idleMs
    for (const [peer, line] of this.#lines) {
      if (!line.isBusy && line.activeAtMs <= before) this.#drop(peer, line)
    }
  }

  #drop(peer: PeerId, line: PeerLine): void {
    this.#lines.delete(peer)
    void line.close()
  }
}
