/**
 * Carries calls between peers that have no path to each other, and takes those that are for this
 * node (`relayed-server.ts`). What passes is signed by its author and is not read here.
 *
 * A peer that asks is a stranger: it has few places, few bytes a minute, and pays from its quota
 * before anybody is dialled for it. It learns of the callee only whether it was there.
 */

import type { Policy } from '../access/index.ts'
import { type Clock, CodedError, type Logger, type Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Channel, Host } from '../net/index.ts'
import type { McpConfig } from './config.ts'
import { ENVELOPE_BYTES_MAX } from './envelope.ts'
import { McpError } from './errors.ts'
import type { McpMetrics } from './metrics.ts'
import { RelayError } from './relay-errors.ts'
import {
  decodeAsk,
  encodeNo,
  type RelayAsk,
  relayProtocol,
  WORD_BYTES_MAX,
} from './relay-protocol.ts'
import { type RelayPlace, RelayRoom } from './relay-room.ts'
import type { RelayedServer } from './relayed-server.ts'

/** For dialling the callee, and for each word before the call. */
const STEP_MS = 10_000
/** For the answer; a tool that takes longer cannot be used through a relay. */
const CARRY_MS = 120_000
const LIMITS = {
  perPeerMax: 4,
  max: 32,
  bytesPerPeerMax: 8 * ENVELOPE_BYTES_MAX,
  bytesMax: 64 * ENVELOPE_BYTES_MAX,
}

export interface CallRelayDeps {
  readonly host: Pick<Host, 'self' | 'handle' | 'open'>
  /** Takes the calls that are for this node. */
  readonly server: Pick<RelayedServer, 'take'>
  readonly policy: Pick<Policy, 'admit'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<McpMetrics, 'relayed'>
  readonly network: string
}

export class CallRelay implements Service {
  readonly name = 'mcp call relay'
  readonly #deps: CallRelayDeps
  readonly #config: Pick<McpConfig, 'relayCalls'>
  readonly #room: RelayRoom
  readonly #open = new Map<Channel, Promise<void>>()
  #stopping = false

  constructor(deps: CallRelayDeps, config: Pick<McpConfig, 'relayCalls'>) {
    this.#deps = deps
    this.#config = config
    this.#room = new RelayRoom(deps.clock, LIMITS)
  }

  async start(): Promise<void> {
    const { host, network } = this.#deps
    // Whoever looks for a relay sees that this node is none.
    if (!this.#config.relayCalls) return
    await host.handle(relayProtocol(network), (channel) => this.#take(channel))
  }

  async stop(): Promise<void> {
    this.#stopping = true
    for (const channel of this.#open.keys()) channel.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
    await Promise.all(this.#open.values())
  }

  async #take(channel: Channel): Promise<void> {
    if (this.#stopping) {
      channel.abort(McpError.PIPE_ENDED({ wanted: 'serve a stream' }))
      return
    }
    const served = this.#serve(channel)
    this.#open.set(channel, served)
    await served.finally(() => this.#open.delete(channel))
  }

  /** Never rejects: whatever a peer does ends its own stream and no more. */
  async #serve(channel: Channel): Promise<void> {
    const { host, log, metrics, policy, server } = this.#deps
    const { peer } = channel
    let role = 'carried'
    try {
      policy.admit(peer, 'mcp.call')
      const frame = await this.#read(channel, STEP_MS)
      if (frame === undefined) return
      const ask = decodeAsk(frame)
      if (ask.to === host.self) role = 'served'
      if (ask.to === host.self) await server.take(channel)
      else await this.#carry(channel, ask, frame)
      metrics.relayed.add(1, { role, outcome: 'ok' })
    } catch (error) {
      metrics.relayed.add(1, { role, outcome: 'failed' })
      log.debug('relayed call failed', { peer, role, error })
      await this.#sayNo(channel, error)
    }
    await channel.close().catch(() => {})
  }

  async #carry(channel: Channel, { to, bytes }: RelayAsk, ask: Uint8Array): Promise<void> {
    const { host, network, clock } = this.#deps
    if (to === channel.peer) throw McpError.REQUEST_INVALID({ found: 'a call to its own caller' })
    using place = this.#room.take(channel.peer)
    place.spend(bytes)
    using dialling = clock.deadline(STEP_MS, channel.closed)
    const { signal } = dialling
    const onward = await this.#toCallee(to, host.open(to, relayProtocol(network), { signal }))
    try {
      await this.#toCallee(to, onward.write(ask, { signal }))
      const word = await this.#toCallee(to, this.#read(onward, STEP_MS, channel.closed))
      if (word === undefined || word.length > WORD_BYTES_MAX) {
        throw RelayError.RELAY_UNREACHABLE({ peer: to, reason: 'it said nothing of use' })
      }
      await this.#write(channel, word)
      const call = await this.#read(channel, STEP_MS)
      // Whoever was told that its callee takes no call says goodbye.
      if (call !== undefined) {
        if (call.length > bytes) throw McpError.REQUEST_INVALID({ found: 'a call above its size' })
        await this.#pass(channel, onward, call, place)
      }
      await onward.close().catch(() => {})
    } catch (error) {
      onward.abort(error instanceof Error ? error : McpError.PIPE_ENDED({ wanted: 'go on' }))
      throw error
    }
  }

  /** Of a caller that leaves its callee is told nothing: what was handed over may be in work. */
  async #pass(
    channel: Channel,
    onward: Channel,
    call: Uint8Array,
    place: Pick<RelayPlace, 'overdraw'>,
  ): Promise<void> {
    await this.#write(onward, call)
    const answer = await this.#read(onward, CARRY_MS, channel.closed)
    if (answer === undefined) throw McpError.PIPE_ENDED({ wanted: 'read an answer' })
    place.overdraw(answer.length)
    await this.#write(channel, answer)
  }

  /** Where the callee lives, and why it could not be reached there, is not told. */
  async #toCallee<T>(peer: PeerId, work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (cause) {
      const isCoded = cause instanceof CodedError
      const reason = isCoded ? (cause as CodedError).code : 'it did not answer'
      throw RelayError.RELAY_UNREACHABLE({ peer, reason }, cause)
    }
  }

  async #read(channel: Channel, ms: number, until?: AbortSignal): Promise<Uint8Array | undefined> {
    using deadline = this.#deps.clock.deadline(ms, until)
    return await channel.read({ signal: deadline.signal })
  }

  async #write(channel: Channel, frame: Uint8Array): Promise<void> {
    using deadline = this.#deps.clock.deadline(STEP_MS)
    await channel.write(frame, { signal: deadline.signal })
  }

  async #sayNo(channel: Channel, error: unknown): Promise<void> {
    try {
      await this.#write(channel, encodeNo(error))
    } catch (cause) {
      channel.abort(cause instanceof Error ? cause : McpError.PIPE_ENDED({ wanted: 'go on' }))
    }
  }
}
