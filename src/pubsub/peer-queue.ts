/**
 * What waits for one peer: bounded in frames and in bytes, and what goes first when it is too much.
 * Sans I/O; what a frame is, the caller knows.
 *
 *   passing   messages of others, and what tells of them: the oldest is dropped first
 *   own       messages that we made: dropped when nothing passing is left
 *   control   subscriptions and meshes: never dropped, as both sides would believe different things
 *
 * Frames leave in the order in which they came. When only `control` is left and still too much, the
 * line to the peer is of no use any more; `push` says so.
 */

export type FrameKind = 'control' | 'own' | 'passing'

export interface PeerQueueLimits {
  readonly framesMax: number
  readonly bytesMax: number
}

/** What became of the frames that had no room. */
export interface Pushed {
  readonly dropped: number
  /** Too much waits that must not be dropped. */
  readonly isOver: boolean
}

interface Waiting<Frame> {
  readonly frame: Frame
  readonly bytes: number
  readonly place: number
}

const KINDS = ['control', 'own', 'passing'] as const
const DROPPED_FIRST = ['passing', 'own'] as const

export class PeerQueue<Frame> {
  readonly #limits: PeerQueueLimits
  readonly #waiting: Readonly<Record<FrameKind, Waiting<Frame>[]>> = {
    control: [],
    own: [],
    passing: [],
  }
  #place = 0
  #bytes = 0

  constructor(limits: PeerQueueLimits) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return KINDS.reduce((sum, kind) => sum + this.#waiting[kind].length, 0)
  }

  /** Adds a frame and drops what is too much then; that may be the frame itself. */
  push(frame: Frame, kind: FrameKind, bytes: number): Pushed {
    this.#place += 1
    this.#waiting[kind].push({ frame, bytes, place: this.#place })
    this.#bytes += bytes
    let dropped = 0
    while (this.#isOver) {
      const first = DROPPED_FIRST.find((one) => this.#waiting[one].length > 0)
      if (first === undefined) break
      this.#take(first)
      dropped += 1
    }
    return { dropped, isOver: this.#isOver }
  }

  /** The frame that waits longest. */
  shift(): Frame | undefined {
    let first: FrameKind | undefined
    let least = Number.POSITIVE_INFINITY
    for (const kind of KINDS) {
      const place = this.#waiting[kind][0]?.place
      if (place === undefined || place > least) continue
      first = kind
      least = place
    }
    return first === undefined ? undefined : this.#take(first)?.frame
  }

  get #isOver(): boolean {
    return this.#bytes > this.#limits.bytesMax || this.size > this.#limits.framesMax
  }

  #take(kind: FrameKind): Waiting<Frame> | undefined {
    const taken = this.#waiting[kind].shift()
    this.#bytes -= taken?.bytes ?? 0
    return taken
  }
}
