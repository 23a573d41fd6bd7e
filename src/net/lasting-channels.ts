/**
 * All lasting channels of a node: making them, taking those of others, and finding the way back.
 *
 * Either side dials when a stream is lost: the maker at once, the other two seconds later, because
 * it may be the maker that cannot be reached at its old address. A later hello replaces an earlier
 * stream; when both are said at once, the maker's counts.
 */

import {
  type Clock,
  hasCode,
  type Logger,
  type Random,
  race,
  type Service,
  toHex,
} from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { ChannelConfig } from './config.ts'
import { NetError } from './errors.ts'
import type { CallOptions, Channel, Host, Protocol } from './host.ts'
import type { LastingChannel } from './lasting.ts'
import { OpenLastingChannel } from './lasting-channel.ts'
import {
  decodeMessage,
  encodeMessage,
  type Hello,
  isProtocolName,
  lastingProtocol,
  type Reason,
  SESSION_BYTES,
} from './lasting-codec.ts'
import { LastingWay } from './lasting-way.ts'

const HELLO_TIMEOUT_MS = 5_000
const STOP_TIMEOUT_MS = 1_000
const PROTOCOLS_MAX = 256

/** What channels need of the node. */
export interface LastingChannelsDeps {
  readonly host: Pick<Host, 'open' | 'handle' | 'connections' | 'ping' | 'disconnect'>
  /** Counts what is kept for a peer, or less of it; false where that is too much. */
  readonly keep?: (peer: PeerId, bytes: number) => boolean
  /** Connects to a peer wherever it is now: more than the host alone can, where there is a DHT. */
  readonly find: (peer: PeerId, options: CallOptions) => Promise<unknown>
  /** Connects to a peer at addresses that are known already. */
  readonly connect: (peer: PeerId, options: CallOptions) => Promise<unknown>
  readonly network: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

interface Known {
  readonly channel: OpenLastingChannel
  readonly way: LastingWay
  readonly isOurs: boolean
  /** A program of ours is at work on what the peer opened. */
  isServed: boolean
}

export class LastingChannels implements Service {
  readonly name = 'channels'
  readonly #deps: LastingChannelsDeps
  readonly #config: ChannelConfig
  readonly #protocol: Protocol
  /** By peer and session: what a peer did not make with us, it cannot name. */
  readonly #known = new Map<string, Known>()
  readonly #perPeer = new Map<PeerId, number>()
  readonly #serving = new Map<string, (channel: LastingChannel) => Promise<void>>()
  #stopping = false
  /** Sessions, and programs that are still at work on one that is over. */
  #places = 0

  constructor(deps: LastingChannelsDeps, config: ChannelConfig) {
    this.#deps = deps
    this.#config = config
    this.#protocol = lastingProtocol(deps.network)
  }

  async start(): Promise<void> {
    await this.#deps.host.handle(this.#protocol, (stream) => this.#welcome(stream))
  }

  /** Says to every other side that the node stops; whoever had unconfirmed frames is told here. */
  async stop(): Promise<void> {
    this.#stopping = true
    using deadline = this.#deps.clock.deadline(STOP_TIMEOUT_MS)
    const open = [...this.#known.values()]
    const said = open.map(({ channel }) => race(channel.drop('stopping'), deadline.signal))
    await Promise.allSettled(said)
  }

  get size(): number {
    return this.#known.size
  }

  /** Hands every channel that a peer opens for `protocol` to `serve`; the result withdraws it. */
  serve(protocol: string, serve: (channel: LastingChannel) => Promise<void>): () => void {
    checkName(protocol)
    const reason = this.#serving.has(protocol) ? 'it is served already' : 'too many are served'
    if (this.#serving.has(protocol) || this.#serving.size >= PROTOCOLS_MAX) {
      throw NetError.CHANNEL_INVALID({ protocol, reason })
    }
    this.#serving.set(protocol, serve)
    return () => {
      if (this.#serving.get(protocol) === serve) this.#serving.delete(protocol)
    }
  }

  /** Makes a channel to whoever serves `protocol` at `peer`; resolves when it is welcomed. */
  async open(
    peer: PeerId,
    protocol: string,
    { signal }: CallOptions = {},
  ): Promise<LastingChannel> {
    checkName(protocol)
    signal?.throwIfAborted()
    const limit = this.#limitReached(peer)
    if (limit !== undefined) throw NetError.CHANNELS_EXHAUSTED({ peer, protocol, ...limit })
    const session = this.#deps.random.bytes(SESSION_BYTES)
    const { channel, way } = this.#make({ peer, protocol, session, isOurs: true })
    try {
      await way.openFirst(signal)
      return channel
    } catch (error) {
      void channel.drop('abandoned')
      signal?.throwIfAborted()
      throw error
    }
  }

  /** The network changed: pauses end, and streams must show that they live. */
  networkChanged(): void {
    for (const { channel, way } of this.#known.values()) {
      way.hurry()
      channel.doubt()
    }
  }

  /** There is a better path to a peer: what we made goes over, so that the old one can end. */
  pathImproved(peer: PeerId): void {
    for (const { channel, isOurs } of this.#known.values()) {
      if (isOurs && channel.peer === peer) channel.move()
    }
  }

  #make(of: {
    readonly peer: PeerId
    readonly protocol: string
    readonly session: Uint8Array
    readonly isOurs: boolean
  }): Known {
    const { peer, protocol, session, isOurs } = of
    const { clock, log, random, host, find, connect, keep = unbounded } = this.#deps
    const key = `${peer}/${toHex(session)}`
    const open = async (options: CallOptions): Promise<Channel> => {
      await (isOurs ? find : connect)(peer, options)
      return host.open(peer, this.#protocol, options)
    }
    const channel: OpenLastingChannel = new OpenLastingChannel(
      {
        ...{ peer, protocol, clock, log },
        resume: (signal, why) => way.resume(signal, why),
        ended: () => this.#forget(key, known),
        keep: (bytes) => keep(peer, bytes),
      },
      this.#config,
    )
    const way: LastingWay = new LastingWay({ ...of, channel, open, host, clock, random })
    const known: Known = { channel, way, isOurs, isServed: false }
    this.#known.set(key, known)
    this.#count(peer, 1)
    return known
  }

  #forget(key: string, known: Known): void {
    if (this.#known.delete(key) && !known.isServed) this.#leave(known)
  }

  /** Only then, for a program that goes on after the end may still have much to read. */
  #leave({ channel }: Known): void {
    channel.account.close()
    this.#count(channel.peer, -1)
  }

  #count(peer: PeerId, change: 1 | -1): void {
    this.#places += change
    const now = (this.#perPeer.get(peer) ?? 0) + change
    if (now > 0) this.#perPeer.set(peer, now)
    else this.#perPeer.delete(peer)
  }

  #limitReached(peer: PeerId): { limit: number; of: 'peer' | 'node' } | undefined {
    const { perPeerMax, sessionsMax } = this.#config
    if ((this.#perPeer.get(peer) ?? 0) >= perPeerMax) return { limit: perPeerMax, of: 'peer' }
    if (this.#places >= sessionsMax) return { limit: sessionsMax, of: 'node' }
    return undefined
  }

  /** A stream that a peer opened, until it is gone. The policy has admitted it. */
  async #welcome(stream: Channel): Promise<void> {
    using deadline = this.#deps.clock.deadline(HELLO_TIMEOUT_MS)
    const frame = await stream.read({ signal: deadline.signal })
    if (frame === undefined) return
    const hello = decodeMessage(frame)
    if (hello.kind !== 'hello') {
      const [peer, protocol] = [stream.peer, this.#protocol.id]
      throw NetError.CHANNEL_REFUSED({ peer, protocol, reason: 'its first frame is no hello' })
    }
    const refusal = this.#take(stream, hello)
    if (refusal !== undefined) {
      await stream.write(encodeMessage({ kind: 'refuse', reason: refusal }))
      return
    }
    await gone(stream.closed)
  }

  /** Attaches the stream to its session, which may be new; or says why not. */
  #take(stream: Channel, hello: Hello): Reason | undefined {
    const { peer } = stream
    if (this.#stopping) return 'stopping'
    const known = this.#known.get(`${peer}/${toHex(hello.session)}`)
    if (known !== undefined) {
      if (known.isOurs && known.way.isAsking) return 'busy'
      const isOther = hello.protocol !== known.channel.protocol || (hello.isNew && known.isOurs)
      if (isOther) return 'broken'
      this.#attach(known, stream, hello)
      return undefined
    }
    if (!hello.isNew) return 'unknown'
    const serve = this.#serving.get(hello.protocol)
    if (serve === undefined) return 'unserved'
    if (this.#limitReached(peer) !== undefined) return 'full'
    const { session, protocol } = hello
    const made = this.#make({ peer, protocol, session, isOurs: false })
    this.#attach(made, stream, hello)
    if (made.channel.state === 'attached') void this.#run(made, serve)
    return undefined
  }

  #attach({ channel, way }: Known, stream: Channel, hello: Hello): void {
    way.giveWay()
    channel.detach()
    const { session } = channel
    const [position, window] = [session.position(), session.window]
    channel.attach(stream, hello, encodeMessage({ kind: 'welcome', position, window }))
  }

  async #run(made: Known, serve: (channel: LastingChannel) => Promise<void>): Promise<void> {
    const { channel } = made
    const { peer, protocol } = channel
    made.isServed = true
    try {
      try {
        await serve(channel)
      } finally {
        made.isServed = false
        if (channel.closed.aborted) this.#leave(made)
      }
      await channel.close()
    } catch (error) {
      const isLost = hasCode(error, 'NET_CHANNEL_LOST')
      const level = isLost ? 'info' : 'warn'
      this.#deps.log[level]('lasting channel of a peer ended', { peer, protocol, error })
      if (error instanceof Error) channel.abort(error)
    }
  }
}

function checkName(protocol: string): void {
  if (isProtocolName(protocol)) return
  throw NetError.CHANNEL_INVALID({ protocol, reason: 'it is no name of a protocol' })
}

function unbounded(): boolean {
  return true
}

function gone(closed: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (closed.aborted) resolve()
    else closed.addEventListener('abort', () => resolve(), { once: true })
  })
}
