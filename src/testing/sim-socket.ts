/**
 * A stream of bytes between two hosts, as TCP gives it: in order, whole, and late when packets are
 * lost. A partition stalls it until somebody loses patience; a host that came back without knowing
 * it answers with a reset; one that never comes back leaves it half-open.
 */

import { TestingError } from './errors.ts'
import type { SimHost, SimNetwork } from './sim-network.ts'

/** Bytes that were counted and can be handed over as they are. */
export interface Chunk {
  readonly byteLength: number
}

/** Chunks that leave in one moment travel as one segment. */
export interface SegmentListener {
  data(chunks: readonly Chunk[]): void
  /** The other side is done; with an error when it broke. */
  ended(error?: Error): void
  /** There is room again after `write` said that there is none. */
  drained(): void
}

interface Segment {
  readonly sentMs: number
  readonly chunks: Chunk[]
  bytes: number
  readonly kind: 'accept' | 'data' | 'end' | 'reset'
}

/** Bytes on their way to a reader before the writer is told to wait, as a kernel buffer. */
const WINDOW_BYTES = 1_024 * 1_024
const SEGMENT_BYTES = 1_448
/** RFC 6298: the first retransmission time-out, and when TCP gives up. */
const RETRY_FIRST_MS = 1_000
const RETRY_MAX_MS = 16_000
const GIVE_UP_MS = 120_000
/** Linux's least time-out; with fewer packets after the lost one there is no fast retransmit. */
const TIMEOUT_MIN_MS = 200
const FAST_SEGMENTS = 4

export class SimSocket {
  readonly host: SimHost
  readonly remoteHost: SimHost
  readonly remoteIp: string
  readonly remotePort: number
  /** Who is at the other end, as its handshake told. */
  readonly remoteIdentity: unknown
  readonly #network: SimNetwork
  #other: SimSocket | undefined
  #listener: SegmentListener | undefined
  #isOpen = true
  #isPaused = false
  /** Came while paused, or before anybody listened. */
  #held: Segment[] = []
  /** Cannot leave: oldest first. */
  #stalled: Segment[] = []
  #accepted: (() => void) | undefined
  #last: Segment | undefined
  #arrivesMs = 0
  #underway = 0
  #wantsDrain = false

  constructor(network: SimNetwork, ends: SocketEnds) {
    this.#network = network
    this.host = ends.host
    this.remoteHost = ends.remoteHost
    this.remoteIp = ends.remoteIp
    this.remotePort = ends.remotePort
    this.remoteIdentity = ends.remoteIdentity
    this.host.sockets.add(this)
  }

  join(other: SimSocket): void {
    this.#other = other
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  listen(listener: SegmentListener): void {
    this.#listener = listener
    this.resume()
  }

  /** The first thing sent: `accepted` is called when it arrives, before anything behind it. */
  begin(bytes: number, accepted: () => void): void {
    this.#accepted = accepted
    this.#send({ sentMs: this.#network.time.nowMs, chunks: [], bytes, kind: 'accept' })
  }

  /** False when the writer should wait until `drained`. */
  write(chunk: Chunk): boolean {
    if (!this.#isOpen) return true
    this.#underway += chunk.byteLength
    const { nowMs } = this.#network.time
    const last = this.#last
    if (last?.kind === 'data' && last.sentMs === nowMs) {
      last.chunks.push(chunk)
      last.bytes += chunk.byteLength
    } else {
      this.#send({ sentMs: nowMs, chunks: [chunk], bytes: chunk.byteLength, kind: 'data' })
    }
    this.#wantsDrain = this.#underway >= WINDOW_BYTES
    return !this.#wantsDrain
  }

  /** After what was written before; the other side closes as well. */
  end(): void {
    this.#finish('end')
  }

  reset(): void {
    this.#finish('reset')
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    for (const segment of this.#held.splice(0)) this.#take(segment)
  }

  /** Broken on the way: both sides learn of it. */
  cut(): void {
    const error = TestingError.STREAM_BROKEN({ reason: 'it was reset on the way' })
    const other = this.#other
    if (this.#isOpen) this.#network.note('broken', this.host, this.remoteHost, 0)
    this.#close(error)
    other?.closeWith(error)
  }

  closeWith(error: Error): void {
    this.#close(error)
  }

  /** The host is gone, or has forgotten: no word to anybody. */
  vanish(): void {
    this.#isOpen = false
    this.#held = []
    this.#stalled = []
    this.host.sockets.delete(this)
  }

  #finish(kind: 'end' | 'reset'): void {
    if (!this.#isOpen) return
    this.#send({ sentMs: this.#network.time.nowMs, chunks: [], bytes: 0, kind })
    this.#isOpen = false
    this.host.sockets.delete(this)
  }

  #send(segment: Segment): void {
    this.#last = segment
    if (this.#stalled.length > 0) this.#stalled.push(segment)
    else if (!this.#leave(segment)) this.#stall(segment)
  }

  #leave(segment: Segment): boolean {
    const { time } = this.#network
    const { host, remoteHost } = this
    if (this.#network.isBlocked(host, remoteHost)) return false
    const travelMs = this.#network.travelMs(host, remoteHost, segment.bytes) + this.#lateMs(segment)
    this.#arrivesMs = Math.max(this.#arrivesMs, time.nowMs + travelMs)
    time.after(this.#arrivesMs - time.nowMs, 0, () => this.#arrive(segment))
    return true
  }

  /** How much later a lost packet makes all behind it. */
  #lateMs({ bytes }: Segment): number {
    const packets = Math.max(1, Math.ceil(bytes / SEGMENT_BYTES))
    const { host, remoteHost } = this
    const roundMs = 2 * this.#network.latencyMs(host, remoteHost)
    let lateMs = 0
    for (let i = 0; i < packets; i += 1) {
      if (!this.#network.isLost(host, remoteHost)) continue
      this.#network.note('lost', host, remoteHost, Math.min(bytes, SEGMENT_BYTES))
      lateMs = Math.max(lateMs, 0) + roundMs
      if (packets - i < FAST_SEGMENTS) lateMs += TIMEOUT_MIN_MS
    }
    return lateMs
  }

  #stall(segment: Segment): void {
    this.#stalled.push(segment)
    const startedMs = this.#network.time.nowMs
    const retry = (pauseMs: number) => {
      this.#network.time.after(pauseMs, 0, () => {
        if (this.#stalled.length === 0) return
        const waiting = this.#stalled
        this.#stalled = []
        while (waiting[0] !== undefined && this.#leave(waiting[0])) waiting.shift()
        if (waiting.length === 0) return
        this.#stalled = waiting
        if (this.#network.time.nowMs - startedMs > GIVE_UP_MS) this.#giveUp()
        else retry(Math.min(RETRY_MAX_MS, 2 * pauseMs))
      })
    }
    retry(RETRY_FIRST_MS)
  }

  #giveUp(): void {
    this.#stalled = []
    this.#close(TestingError.STREAM_BROKEN({ reason: 'the other side answers no more' }))
  }

  #arrive(segment: Segment): void {
    if (this.#last === segment) this.#last = undefined
    const other = this.#other
    const { host, remoteHost } = this
    if (!remoteHost.isUp) return
    this.#network.note(segment.kind, host, remoteHost, segment.bytes)
    if (other === undefined || !other.#isOpen) {
      if (segment.kind === 'data') this.#refused()
      return
    }
    if (segment.kind === 'accept') this.#accepted?.()
    else other.#take(segment)
  }

  /** The other host knows nothing of this stream and says so. */
  #refused(): void {
    const { time } = this.#network
    time.after(this.#network.latencyMs(this.remoteHost, this.host), 0, () => {
      this.#close(TestingError.STREAM_BROKEN({ reason: 'the other side reset it' }))
    })
  }

  #take(segment: Segment): void {
    if (this.#isPaused || this.#listener === undefined) {
      this.#held.push(segment)
      return
    }
    if (segment.kind === 'data') {
      if (this.#other !== undefined) this.#other.#acknowledged(segment.bytes)
      this.#listener.data(segment.chunks)
    } else if (segment.kind === 'end') this.#close()
    else this.#close(TestingError.STREAM_BROKEN({ reason: 'the other side reset it' }))
  }

  #acknowledged(bytes: number): void {
    this.#underway -= bytes
    if (!this.#wantsDrain || this.#underway > WINDOW_BYTES / 2) return
    this.#wantsDrain = false
    if (this.#isOpen) this.#listener?.drained()
  }

  #close(error?: Error): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.host.sockets.delete(this)
    this.#listener?.ended(error)
  }
}

/** Who is at which end. */
export interface SocketEnds {
  readonly host: SimHost
  readonly remoteHost: SimHost
  readonly remoteIp: string
  readonly remotePort: number
  readonly remoteIdentity: unknown
}
