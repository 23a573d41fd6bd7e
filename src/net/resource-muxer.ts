/**
 * What one connection's streams use: every stream has an account, whoever opened it, and what the
 * other side can make us keep is counted before it is kept.
 *
 * The library's yamux keeps a whole frame before it looks at its length, and answers pings and
 * surplus streams without end to somebody who reads nothing; both end here. Its receive windows
 * grow only while those of the connection together stay within what it may hold.
 */

import type { AbortOptions, Stream } from '@libp2p/interface'
import type { AbstractMessageStream, AbstractStream, AbstractStreamMuxer } from '@libp2p/utils'
import type { Clock } from '../base/index.ts'
import type { Bandwidth, Way } from './bandwidth.ts'
import type { NetConfig } from './config.ts'
import { NetError } from './errors.ts'
import { StreamAccount } from './resource-accounts.ts'
import { connectionCode, connectionReason, exhausted, type Reason } from './resource-codes.ts'
import type { Watched } from './resource-hooks.ts'
import { StreamHold } from './resource-stream.ts'

type MuxerConfig = Pick<
  NetConfig,
  'connectionWindowBytes' | 'streamsPerConnectionMax' | 'streamWindowBytes'
>

interface Frame {
  readonly type: number
}

/** What is used of the muxers beyond their public face; what is optional only yamux has. */
export interface WatchedMuxer extends Pick<AbstractStreamMuxer, 'protocol'> {
  readonly maConn: AbstractMessageStream
  readonly decoder?: { readonly buffer: { readonly byteLength: number } }
  remoteGoAway?: number
  abort(error: Error): void
  onData(data: Parameters<AbstractMessageStream['onData']>[0]): void
  createStream(options?: AbortOptions): Promise<Stream>
  onRemoteStream(stream: AbstractStream): void
  sendFrame?(frame: Frame, data?: unknown): boolean
  sendGoAway?(code: number): void
  handleGoAway?(code: number): void
}

const DATA_FRAME = 0
const PROTOCOL_ERROR = 1
const HEADER_BYTES = 12
/** Frames without data that may wait for somebody who reads nothing. */
const CONTROL_FRAMES_MAX = 32_768
const SECOND_MS = 1_000
/** Streams opened within a second, as a multiple of those that may be open. */
const RATE_FACTOR = 2

export interface MuxerWatchDeps {
  readonly muxer: WatchedMuxer
  readonly watched: Watched
  readonly clock: Clock
  readonly bandwidth: Pick<Bandwidth, 'pass'>
}

export class MuxerWatch {
  readonly #deps: MuxerWatchDeps
  readonly #config: MuxerConfig
  #openedSinceMs = 0
  #opened = 0
  /** Frames without data since the line last took something. */
  #control = 0
  /** What QUIC's native part may hold for streams that nobody reads. */
  #nativeBytes = 0

  constructor(deps: MuxerWatchDeps, config: MuxerConfig) {
    this.#deps = deps
    this.#config = config
    this.#followStreams()
    if (deps.muxer.decoder !== undefined) this.#followFrames()
  }

  /** Whether the other side could be told why the connection ends. */
  sayGoAway(reason: Reason): boolean {
    const { muxer } = this.#deps
    muxer.sendGoAway?.(connectionCode(reason))
    return muxer.sendGoAway !== undefined
  }

  #followStreams(): void {
    const { muxer, watched } = this.#deps
    const { account } = watched
    const create = muxer.createStream.bind(muxer)
    const arrive = muxer.onRemoteStream.bind(muxer)
    muxer.createStream = async (options) => {
      const opened = account.openStream('outbound')
      if (!(opened instanceof StreamAccount)) throw exhausted(opened)
      try {
        const stream = await create(options)
        this.#follow(stream as unknown as AbstractStream, opened)
        return stream
      } catch (error) {
        opened.close()
        throw error
      }
    }
    muxer.onRemoteStream = (stream) => {
      const opened = this.#isTooFast() ? undefined : account.openStream('inbound')
      if (opened instanceof StreamAccount) {
        this.#follow(stream, opened)
        arrive(stream)
        return
      }
      const hold = new StreamHold(stream, undefined, this)
      if (opened === undefined) hold.end('rate', NetError.CONNECTION_DROPPED({ reason: TOO_FAST }))
      else hold.end('exhausted', exhausted(opened))
    }
  }

  #follow(stream: AbstractStream, account: StreamAccount): void {
    const { streamWindowBytes } = this.#config
    const hold = new StreamHold(stream, account, this)
    hold.follow(streamWindowBytes)
  }

  /** For a stream: something of an application passed. */
  used(): void {
    this.#deps.watched.usedAtMs = this.#deps.clock.now()
  }

  get isQuic(): boolean {
    return this.#deps.muxer.protocol === 'quic'
  }

  /** For a stream over QUIC: notes bytes; a promise where it must wait. */
  pass(way: Way, bytes: number): Promise<void> | undefined {
    const { bandwidth, watched } = this.#deps
    return bandwidth.pass(way, watched.account.peer ?? '', bytes)
  }

  /** For a stream: whether its receive window may grow by so much. */
  growWindow(bytes: number): boolean {
    return this.#deps.watched.account.growWindow(bytes)
  }

  shrinkWindow(bytes: number): void {
    this.#deps.watched.account.shrinkWindow(bytes)
  }

  /** For a stream over QUIC that is not read for now: what its native part may keep meanwhile. */
  keepNative(): number {
    const { streamWindowBytes, connectionWindowBytes } = this.#config
    const bytes = Math.min(streamWindowBytes, connectionWindowBytes - this.#nativeBytes)
    this.#nativeBytes += bytes
    return bytes
  }

  freeNative(bytes: number): void {
    this.#nativeBytes -= bytes
  }

  /** Openings cost us work even where each is over at once. */
  #isTooFast(): boolean {
    const nowMs = this.#deps.clock.now()
    if (Math.abs(nowMs - this.#openedSinceMs) >= SECOND_MS) {
      this.#openedSinceMs = nowMs
      this.#opened = 0
    }
    this.#opened += 1
    return this.#opened > RATE_FACTOR * this.#config.streamsPerConnectionMax
  }

  #followFrames(): void {
    const { muxer, watched } = this.#deps
    const take = muxer.onData.bind(muxer)
    muxer.onData = (data) => {
      take(data)
      const waiting = muxer.decoder?.buffer.byteLength ?? 0
      // Nobody may send more in a frame than its window has.
      if (waiting > HEADER_BYTES + this.#config.streamWindowBytes) throw violation(TOO_LONG)
      const shortage = watched.account.hold(waiting)
      if (shortage !== undefined) throw exhausted(shortage)
    }
    this.#followControl()
    const leave = muxer.handleGoAway?.bind(muxer)
    muxer.handleGoAway = (code) => {
      const reason = connectionReason(code)
      if (reason === undefined) {
        leave?.(code)
        return
      }
      muxer.remoteGoAway = code
      muxer.abort(NetError.CONNECTION_DROPPED({ reason }))
    }
  }

  #followControl(): void {
    const { muxer } = this.#deps
    const send = muxer.sendFrame?.bind(muxer)
    if (send === undefined) return
    muxer.sendFrame = (frame, data) => {
      if (frame.type !== DATA_FRAME) {
        this.#control = muxer.maConn.writableNeedsDrain ? this.#control + 1 : 0
        if (this.#control > CONTROL_FRAMES_MAX) throw violation('it asks and does not read')
      }
      return send(frame, data)
    }
  }
}

const TOO_LONG = 'it sent a frame that is longer than its window'
const TOO_FAST = 'it opens streams too fast'

/** An error that yamux tells the other side as its fault. */
function violation(reason: string): Error {
  return Object.assign(NetError.CONNECTION_DROPPED({ reason }), { reason: PROTOCOL_ERROR })
}
