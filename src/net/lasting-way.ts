/**
 * The way to the other side of a lasting channel: one hello at a time, again with growing pauses,
 * until it is welcomed, refused for good, or no longer wanted.
 */

import { backoffMs, type Clock, either, hasCode, type Random } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { NetError } from './errors.ts'
import type { CallOptions, Channel } from './host.ts'
import { SAYINGS } from './lasting.ts'
import type { OpenLastingChannel } from './lasting-channel.ts'
import { decodeMessage, encodeMessage, type Message } from './lasting-codec.ts'
import { type Probed, probeConnection } from './reconnect.ts'

const HELLO_TIMEOUT_MS = 5_000
/** The other side waits so long for the maker, which then finds nobody in its way. */
const PATIENCE_MS = 2_000
const BACKOFF = { firstMs: 250, maxMs: 10_000 }

export interface WayDeps {
  readonly peer: PeerId
  readonly protocol: string
  readonly session: Uint8Array
  readonly isOurs: boolean
  readonly channel: OpenLastingChannel
  /** A new stream to the peer, wherever it is now. */
  readonly open: (options: CallOptions) => Promise<Channel>
  readonly host: Probed
  readonly clock: Clock
  readonly random: Random
}

export class LastingWay {
  readonly #deps: WayDeps
  #asking: AbortController | undefined
  #hurry = new AbortController()
  #wasWelcomed: boolean

  constructor(deps: WayDeps) {
    this.#deps = deps
    this.#wasWelcomed = !deps.isOurs
  }

  /** Whether a hello of ours waits for its answer. */
  get isAsking(): boolean {
    return this.#asking !== undefined
  }

  /** The other side's stream is taken: ours is not needed. */
  giveWay(): void {
    this.#asking?.abort(gaveWay())
  }

  /** Ends the pause before the next try. */
  hurry(): void {
    this.#hurry.abort()
  }

  /** One try, or a second where a connection was open that turned out to be dead. */
  async openFirst(signal: AbortSignal | undefined): Promise<void> {
    const { channel } = this.#deps
    using work = either(signal ?? channel.closed, channel.closed)
    try {
      await this.#ask(work.signal)
    } catch (error) {
      work.signal.throwIfAborted()
      if (isFinal(error) || !(await this.#probe(work.signal))) throw error
      await this.#ask(work.signal)
    }
  }

  /** Tries until the channel is attached or `signal` aborts; a refusal for good rejects at once. */
  async resume(signal: AbortSignal, { isSilent }: { readonly isSilent: boolean }): Promise<void> {
    const { isOurs, random } = this.#deps
    if (isSilent) await this.#probe(signal)
    if (!isOurs) await this.#pause(PATIENCE_MS, signal)
    for (let tries = 0; !signal.aborted; tries += 1) {
      try {
        await this.#ask(signal)
        return
      } catch (error) {
        if (isFinal(error)) throw error
        await this.#probe(signal)
      }
      const hurried = await this.#pause(backoffMs(tries, BACKOFF, random), signal)
      if (hurried) tries = -1
    }
    throw signal.reason
  }

  /** Whether a connection to the peer was open and dead. */
  async #probe(signal: AbortSignal): Promise<boolean> {
    const { host, clock, peer } = this.#deps
    return probeConnection(peer, { host, clock }, signal)
  }

  /** Whether it was cut short because the network changed. */
  async #pause(ms: number, signal: AbortSignal): Promise<boolean> {
    this.#hurry = new AbortController()
    const hurried = this.#hurry.signal
    using woken = either(signal, hurried)
    await this.#deps.clock.sleep(ms, woken.signal).catch(() => undefined)
    return hurried.aborted
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { channel, clock, open } = this.#deps
    const stream = await open({ signal })
    const asking = new AbortController()
    try {
      signal.throwIfAborted()
      this.#asking = asking
      using own = either(signal, asking.signal)
      using deadline = clock.deadline(HELLO_TIMEOUT_MS, own.signal)
      await stream.write(this.#hello(), { signal: deadline.signal })
      const frame = await stream.read({ signal: deadline.signal })
      this.#asking = undefined
      const answer = frame === undefined ? undefined : decodeMessage(frame)
      if (answer?.kind !== 'welcome') throw this.#refusal(answer)
      // The other side's stream may have been taken while the answer waited to be read.
      own.signal.throwIfAborted()
      this.#wasWelcomed = true
      channel.attach(stream, answer)
    } catch (error) {
      stream.abort(error instanceof Error ? error : gaveWay())
      throw error
    } finally {
      if (this.#asking === asking) this.#asking = undefined
    }
  }

  #hello(): Uint8Array {
    const { channel, protocol, session } = this.#deps
    const [position, window] = [channel.session.position(), channel.session.window]
    const isNew = !this.#wasWelcomed
    return encodeMessage({ kind: 'hello', isNew, session, position, window, protocol })
  }

  /** Final with a refusal's own code; anything else may be tried again. */
  #refusal(answer: Message | undefined): Error {
    const { peer, protocol } = this.#deps
    const facts = { peer, protocol }
    if (answer?.kind !== 'refuse') {
      return NetError.CHANNEL_BROKEN({ ...facts, reason: 'a hello was not answered by a welcome' })
    }
    const reason = SAYINGS[answer.reason]
    if (answer.reason === 'busy') return NetError.CHANNEL_BROKEN({ ...facts, reason })
    return NetError.CHANNEL_REFUSED({ ...facts, reason })
  }
}

function isFinal(error: unknown): boolean {
  return hasCode(error, 'NET_CHANNEL_REFUSED') || hasCode(error, 'NET_PROTOCOL_UNSUPPORTED')
}

function gaveWay(): Error {
  return NetError.CONNECTION_DROPPED({ reason: 'the other side opened a stream' })
}
