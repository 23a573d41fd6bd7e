/**
 * What waits in one stream, wherever it waits: in the stream itself while nobody reads it, in the
 * agreement on its protocol, in the channel above it, in the native part below it.
 */

import type { Stream } from '@libp2p/interface'
import type { AbstractStream } from '@libp2p/utils'
import type { Way } from './bandwidth.ts'
import { NetError } from './errors.ts'
import type { StreamAccount } from './resource-accounts.ts'
import { exhausted, type Reason, streamCode, streamReason } from './resource-codes.ts'

/** What a stream asks of its connection. */
export interface StreamParent {
  readonly isQuic: boolean
  used(): void
  pass(way: Way, bytes: number): Promise<void> | undefined
  growWindow(bytes: number): boolean
  shrinkWindow(bytes: number): void
  keepNative(): number
  freeNative(bytes: number): void
}

interface ResetFrame {
  readonly header: { readonly flag: number; readonly length: number }
}

/** What is used of QUIC's streams (`quic-stream.ts`). */
interface ThrottledStream {
  throttle?: (way: Way, bytes: number) => Promise<void> | undefined
}

/** What is used of yamux's streams; QUIC's have none of it. */
interface YamuxStream {
  readonly streamId: number
  recvWindow: number
  maxStreamWindowSize: number
  sendWindowUpdate(): void
  sendFrame(frame: object): void
  handleWindowUpdate(frame: ResetFrame): void
}

const WINDOW_UPDATE = 1
const RESET = 8
/** What each piece that waits costs besides its bytes. */
const PIECE_BYTES = 128

const holds = new WeakMap<object, StreamHold>()
/** Streams whose other side said why it ended them. */
const reasons = new WeakMap<object, string>()

/** What counts the bytes of a stream; absent where nobody counts, as in tests of parts. */
export function holdOf(stream: object): StreamHold | undefined {
  return holds.get(stream)
}

export class StreamHold {
  readonly #stream: AbstractStream & Partial<YamuxStream> & ThrottledStream
  readonly #account: StreamAccount | undefined
  readonly #parent: StreamParent
  #agreedOn: string | undefined
  /** What arrived before a protocol was agreed on, and pieces that wait, as bytes. */
  #earlyBytes = 0
  #pieceBytes = 0
  #channelBytes = 0
  #hasChannel = false
  #reservedBytes = 0
  #nativeBytes = 0
  #windowBytes = 0
  #isClosed = false

  constructor(stream: AbstractStream, account: StreamAccount | undefined, parent: StreamParent) {
    this.#stream = stream
    this.#account = account
    this.#parent = parent
  }

  follow(windowBytesMax: number): void {
    const stream = this.#stream
    holds.set(stream, this)
    this.#followData()
    this.#followProtocol()
    if (this.#parent.isQuic) this.#followPauses()
    else if (stream.recvWindow !== undefined) this.#followWindow(windowBytesMax)
    stream.addEventListener('close', () => this.#close(), { once: true })
  }

  /** The channel above says how much waits in it; the stream is ended where that is too much. */
  report(bytes: number): void {
    this.#hasChannel = true
    this.#channelBytes = bytes
    this.#settle()
  }

  /**
   * Counts more that is kept for this stream, such as a request while it is served, or less where
   * `bytes` is negative; false, and nothing is counted, where that is too much.
   */
  reserve(bytes: number): boolean {
    const shortage = this.#account?.hold(this.#level() + bytes)
    if (shortage === undefined) this.#reservedBytes += bytes
    return shortage === undefined
  }

  /** Nobody will read what waits any more. */
  release(): void {
    this.#channelBytes = 0
    this.#reservedBytes = 0
    this.#hasChannel = false
    if (this.#isClosed) this.#account?.close()
  }

  /** Ends the stream and tells the other side why, where that is possible. */
  end(reason: Reason, error: Error): void {
    const stream = this.#stream
    const { sendFrame, streamId } = stream
    if (sendFrame !== undefined && streamId !== undefined) {
      stream.sendReset = () => {
        const length = streamCode(reason)
        sendFrame({ type: WINDOW_UPDATE, flag: RESET, streamID: streamId, length })
      }
    }
    stream.abort(error)
  }

  #followData(): void {
    const stream = this.#stream
    const deliver = stream.onData.bind(stream)
    stream.onData = (data) => {
      const waiting = data.byteLength + PIECE_BYTES
      if (!this.#holds(this.#level() + waiting)) return
      this.#pieceBytes += PIECE_BYTES
      if (this.#agreedOn === undefined) this.#earlyBytes += waiting
      else this.#parent.used()
      deliver(data)
      this.#settle()
    }
  }

  /** A protocol that has no room left refuses the stream in the moment it is agreed on. */
  #followProtocol(): void {
    const stream = this.#stream
    if (stream.protocol !== '') this.#agree(stream.protocol)
    Object.defineProperty(stream, 'protocol', {
      configurable: true,
      enumerable: true,
      get: () => this.#agreedOn ?? '',
      set: (protocol: string) => this.#agree(protocol),
    })
  }

  #agree(protocol: string): void {
    if (protocol === '') return
    const isFirst = this.#agreedOn === undefined
    this.#agreedOn = protocol
    if (!isFirst) return
    this.#earlyBytes = 0
    this.#settle()
    const shortage = this.#account?.agree(protocol)
    if (shortage === undefined) return
    const error = exhausted(shortage)
    this.end('exhausted', error)
    throw error
  }

  #followPauses(): void {
    const stream = this.#stream
    const pause = stream.sendPause.bind(stream)
    const resume = stream.sendResume.bind(stream)
    const keep = () => {
      if (this.#nativeBytes === 0) this.#nativeBytes = this.#parent.keepNative()
      this.#settle()
    }
    stream.throttle = (way, bytes) => {
      const paid = this.#parent.pass(way, bytes)
      if (paid === undefined || way === 'out') return paid
      keep()
      return paid.then(() => {
        if (stream.readStatus !== 'paused') this.#freeNative()
      })
    }
    stream.sendPause = () => {
      pause()
      keep()
    }
    stream.sendResume = () => {
      // A slow reader may have paused it again over what waited.
      if (stream.readStatus !== 'paused') this.#freeNative()
      this.#settle()
      resume()
    }
  }

  #freeNative(): void {
    this.#parent.freeNative(this.#nativeBytes)
    this.#nativeBytes = 0
  }

  #followWindow(windowBytesMax: number): void {
    const stream = this.#stream as AbstractStream & YamuxStream
    const update = stream.sendWindowUpdate.bind(stream)
    const take = stream.handleWindowUpdate.bind(stream)
    this.#grow(stream.recvWindow)
    stream.sendWindowUpdate = () => {
      const before = stream.recvWindow
      const wanted = Math.min(before, windowBytesMax - before)
      if (wanted <= 0) {
        update()
        return
      }
      const mayGrow = this.#grow(wanted)
      stream.maxStreamWindowSize = mayGrow ? windowBytesMax : before
      update()
      if (mayGrow && stream.recvWindow === before) this.#grow(-wanted)
    }
    stream.handleWindowUpdate = (frame) => {
      const { flag, length } = frame.header
      const reason = (flag & RESET) === RESET ? streamReason(length) : undefined
      if (reason !== undefined) reasons.set(stream, reason)
      take(frame)
    }
  }

  #grow(bytes: number): boolean {
    if (bytes > 0 && !this.#parent.growWindow(bytes)) return false
    if (bytes < 0) this.#parent.shrinkWindow(-bytes)
    this.#windowBytes += bytes
    return true
  }

  #level(): number {
    const waiting = this.#stream.readBufferLength
    if (waiting === 0) this.#pieceBytes = 0
    const above = this.#earlyBytes + this.#channelBytes + this.#reservedBytes
    return waiting + this.#pieceBytes + above + this.#nativeBytes
  }

  #settle(): void {
    this.#holds(this.#level())
    if (this.#isClosed && this.#level() === 0) this.#account?.close()
  }

  #holds(bytes: number): boolean {
    const shortage = this.#account?.hold(bytes)
    if (shortage === undefined) return true
    this.end('exhausted', exhausted(shortage))
    return false
  }

  /** What waits for a reader that is slow still counts, until it is read or nobody will. */
  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#grow(-this.#windowBytes)
    this.#freeNative()
    this.#earlyBytes = 0
    if (!this.#hasChannel || this.#account?.direction === 'outbound') this.#account?.close()
    else this.#settle()
  }
}

/** Why the other side ended the stream of a channel, when it said so. */
export function toldBy(stream: Stream): Error | undefined {
  const reason = reasons.get(stream)
  return reason === undefined ? undefined : NetError.CONNECTION_DROPPED({ reason })
}
