/**
 * A channel of whole frames over one libp2p stream.
 *
 * Reading: bytes wait unsplit, and no more than about one frame is cut out ahead of the reader.
 * When 256 KiB wait besides, the stream is paused, so that a slow reader slows the sender and not
 * our memory. Writing is `channel-writer.ts`.
 *
 * States: open → (closed here | the other side said goodbye) → gone; or broken, from any of them.
 */

import type { Stream } from '@libp2p/interface'
import { assert, type Clock, race } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { FrameSplitter, frameParts } from '../wire/index.ts'
import { ChannelWriter } from './channel-writer.ts'
import type { NetConfig } from './config.ts'
import { NetError, reasonOf } from './errors.ts'
import type { CallOptions, Channel, Protocol } from './host.ts'
import { holdOf, type StreamHold, toldBy } from './resource-stream.ts'

export type ChannelTimeouts = Pick<
  NetConfig,
  'closeTimeoutMs' | 'lingerTimeoutMs' | 'writeStallTimeoutMs'
>

export interface ChannelDeps {
  readonly stream: Stream
  readonly peer: PeerId
  readonly protocol: Protocol
  readonly clock: Clock
}

type Arrived = Parameters<Stream['send']>[0]

const UNREAD_BYTES_MAX = 256 * 1_024
/** Small pieces cost more than their bytes, so their number is bounded as well. */
const UNREAD_PIECES_MAX = 256
/** Cut out at once: few enough that a flood of empty frames stays small. */
const SPLIT_BYTES = 16 * 1_024
/** What a piece that waits costs besides its bytes. */
const PIECE_BYTES = 128
const LOST = 'the connection was lost'

export class StreamChannel implements Channel {
  readonly peer: PeerId
  bytesRead = 0
  readonly #deps: ChannelDeps
  readonly #timeouts: ChannelTimeouts
  readonly #splitter: FrameSplitter
  readonly #gone = new AbortController()
  readonly #writer: ChannelWriter
  /** Counts what waits here, in the accounts of the connection and the peer. */
  readonly #hold: StreamHold | undefined
  #unread: Uint8Array[] = []
  #unreadBytes = 0
  #frames: Uint8Array[] = []
  #framesBytes = 0
  #reading = false
  #wakeReader: (() => void) | undefined
  #saidGoodbye = false
  #ended = false
  #failure: Error | undefined
  #closing: Promise<void> | undefined

  constructor(deps: ChannelDeps, timeouts: ChannelTimeouts) {
    this.#deps = deps
    this.#timeouts = timeouts
    this.peer = deps.peer
    this.#splitter = new FrameSplitter(deps.protocol.framing, deps.protocol.frameBytesMax)
    const { stream, clock } = deps
    const fail = (cause: unknown) => stream.abort(this.#break(reasonOf(cause), cause))
    const failure = () => this.#failure
    this.#writer = new ChannelWriter({ stream, clock, fail, failure }, timeouts.writeStallTimeoutMs)
    this.#hold = holdOf(stream)
    this.#listen(stream)
  }

  get closed(): AbortSignal {
    return this.#gone.signal
  }

  async read({ signal }: CallOptions = {}): Promise<Uint8Array | undefined> {
    assert(!this.#reading, 'a channel has one reader at a time')
    this.#reading = true
    try {
      for (;;) {
        signal?.throwIfAborted()
        const frame = this.#frames.shift()
        if (frame !== undefined) {
          this.#framesBytes -= frame.length
          return frame
        }
        this.#split()
        if (this.#frames.length > 0) continue
        if (this.#ended) {
          this.#checkWhole()
          return undefined
        }
        if (this.#failure !== undefined) throw this.#failure
        await this.#change(signal)
      }
    } finally {
      this.#reading = false
      this.#split()
    }
  }

  async write(frame: Uint8Array, { signal }: CallOptions = {}): Promise<void> {
    const { protocol, peer } = this.#deps
    signal?.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing !== undefined || this.#gone.signal.aborted) {
      throw NetError.CHANNEL_CLOSED({ peer, protocol: protocol.id })
    }
    const parts = frameParts(protocol.framing, frame, protocol.frameBytesMax)
    await this.#writer.write(parts, signal)
  }

  close(): Promise<void> {
    this.#closing ??= this.#sayGoodbye()
    return this.#closing
  }

  reserve(bytes: number): boolean {
    return this.#hold?.reserve(bytes) ?? true
  }

  abort(error: Error): void {
    this.#drop()
    this.#break(reasonOf(error), error)
    this.#deps.stream.abort(error)
  }

  #listen(stream: Stream): void {
    stream.addEventListener('remoteCloseWrite', () => {
      this.#saidGoodbye = true
    })
    stream.addEventListener('end', () => this.#end())
    stream.addEventListener('close', ({ error }) => this.#closed(error))
    // What happened before anybody listened is in the stream's state.
    this.#saidGoodbye = stream.remoteWriteStatus === 'closed'
    stream.addEventListener('message', ({ data }) => this.#receive(data))
    if (stream.readableEnded) this.#end()
    if (stream.status === 'closed') this.#closed()
    if (stream.status === 'aborted' || stream.status === 'reset') {
      this.#closed(NetError.CONNECTION_DROPPED({ reason: `the stream is ${stream.status}` }))
    }
  }

  /** Large pieces are taken as they are: to join them first would be one copy more. */
  #receive(data: Arrived): void {
    const isWhole = data instanceof Uint8Array || data.byteLength <= SPLIT_BYTES
    if (isWhole) this.#unread.push(data.subarray())
    else this.#unread.push(...data)
    this.#unreadBytes += data.byteLength
    this.bytesRead += data.byteLength
    this.#split()
  }

  /** Cuts out the next frame when none waits, and holds the sender back when too much waits. */
  #split(): void {
    try {
      while (this.#frames.length === 0) {
        const first = this.#unread[0]
        if (first === undefined) break
        const piece = first.subarray(0, Math.max(SPLIT_BYTES, this.#splitter.missingBytes))
        if (piece.length === first.length) this.#unread.shift()
        else this.#unread[0] = first.subarray(piece.length)
        this.#unreadBytes -= piece.length
        for (const frame of this.#splitter.push(piece)) {
          this.#frames.push(frame)
          this.#framesBytes += frame.length
        }
      }
    } catch (cause) {
      this.#drop()
      this.#deps.stream.abort(this.#break(reasonOf(cause), cause))
    }
    this.#holdBack()
    this.#count()
    if (this.#frames.length > 0) this.#wake()
  }

  /** Where that is too much, the stream has ended when this returns. */
  #count(): void {
    const waiting = this.#unreadBytes + this.#framesBytes + this.#splitter.pendingBytes
    this.#hold?.report(waiting + PIECE_BYTES * this.#unread.length)
  }

  #holdBack(): void {
    const { stream } = this.#deps
    const full = Math.max(
      this.#unreadBytes / UNREAD_BYTES_MAX,
      this.#unread.length / UNREAD_PIECES_MAX,
    )
    if (full >= 1 && stream.readStatus === 'readable') stream.pause()
    if (full <= 0.5 && stream.readStatus === 'paused') {
      try {
        stream.resume()
      } catch {
        // What waited is delivered; only the word to the other side failed, for it is gone.
      }
    }
  }

  /** The stream has delivered its last byte: a goodbye if the other side said one. */
  #end(): void {
    const { status } = this.#deps.stream
    if (status === 'aborted' || status === 'reset') return
    if (this.#saidGoodbye) this.#ended = true
    else this.#break(LOST)
    this.#wake()
  }

  #closed(error?: Error): void {
    const told = toldBy(this.#deps.stream) ?? error
    if (told !== undefined) this.#break(reasonOf(told), told)
    else if (!this.#saidGoodbye) this.#break(LOST)
    this.#gone.abort(this.#failure)
    this.#writer.stop()
    this.#wake()
  }

  async #sayGoodbye(): Promise<void> {
    const { stream, clock } = this.#deps
    await this.#writer.flush()
    using deadline = clock.deadline(this.#timeouts.closeTimeoutMs)
    try {
      await race(stream.close({ signal: deadline.signal }), deadline.signal)
    } catch (cause) {
      stream.abort(this.#break(reasonOf(cause), cause))
    }
    void this.#linger()
  }

  /** After our goodbye the other side may still write, as long as somebody here reads. */
  async #linger(): Promise<void> {
    const { stream, clock } = this.#deps
    while (!this.#gone.signal.aborted) {
      try {
        await clock.sleep(this.#timeouts.lingerTimeoutMs, this.#gone.signal)
      } catch {
        return
      }
      if (this.#reading) continue
      stream.abort(this.#break('the other side never said goodbye'))
    }
  }

  /** A goodbye in the middle of a frame is none. */
  #checkWhole(): void {
    if (this.#splitter.pendingBytes > 0) throw this.#break('it ended in the middle of a frame')
  }

  /** The first reason stays; whoever waits is told. */
  #break(reason: string, cause?: unknown): Error {
    const { peer, protocol } = this.#deps
    const about = { peer, protocol: protocol.id }
    const isUnsupported = cause instanceof Error && cause.name === 'UnsupportedProtocolError'
    this.#failure ??= isUnsupported
      ? NetError.PROTOCOL_UNSUPPORTED(about, cause)
      : NetError.CHANNEL_BROKEN({ ...about, reason }, cause)
    this.#writer.wake()
    this.#wake()
    return this.#failure
  }

  #drop(): void {
    this.#frames = []
    this.#unread = []
    this.#unreadBytes = 0
    this.#framesBytes = 0
    this.#ended = false
    this.#hold?.report(0)
  }

  #wake(): void {
    this.#wakeReader?.()
  }

  /** Waits for the next frame, the end, or a failure. */
  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#wakeReader = undefined
        signal?.removeEventListener('abort', giveUp)
      }
      const giveUp = () => {
        settle()
        reject(signal?.reason as Error)
      }
      this.#wakeReader = () => {
        settle()
        resolve()
      }
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }
}
