/**
 * What comes in from peers, before the router sees it: streams, undecoded frames, decoded frames.
 *
 * A frame over its limits ends the stream it came on and is held against its sender, who then is
 * not heard for a while, also when it comes back. Whoever is not heard is not decoded either.
 */

import type { Connection, PeerId as Libp2pPeerId, Stream } from '@libp2p/interface'
import type { Clock, Logger } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Admission, Checks } from './checks.ts'
import { type Conduct, FRAME_POINTS, TOPICS_POINTS_MAX } from './conduct.ts'
import { PubsubError, reasonOf } from './errors.ts'
import { faultOf } from './frame-check.ts'
import type { Interests } from './interests.ts'
import type { PubsubMetrics } from './metrics.ts'
import { Rates } from './rates.ts'
import type { FrameBytes, Rpc } from './stock.ts'

/** Who decides about what comes in. Names of topics are those on the wire. */
export interface Guard extends Pick<Checks, 'admits' | 'judge'> {
  /** Whether the router should know who subscribes to a topic. */
  knows(wire: string): boolean
}

export interface InletsDeps {
  readonly policy: Admission
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<PubsubMetrics, 'refusals'>
  readonly interests: Interests
  readonly conduct: Conduct
  /** There is none before the room is made. */
  readonly guard: () => Guard | undefined
}

/** As long as a peer may ask us to stay out of its mesh. */
const BACKOFF_SECONDS_MAX = 3_600
/** What the library's reader of lengths throws for one above its limit, or for none. */
const TOO_LONG = new Set([
  'InvalidDataLengthError',
  'InvalidDataLengthLengthError',
  'InvalidMessageLengthError',
])
/** Frames of one peer that are decoded: twice as many as messages of all peers, by default. */
const FRAMES_PER_SECOND_MAX = 2_000

export class Inlets {
  readonly #deps: InletsDeps
  readonly #frames: Rates

  constructor(deps: InletsDeps) {
    this.#deps = deps
    this.#frames = new Rates(deps.clock)
  }

  /** Whether the policy takes a stream; one that it refuses is cut. */
  takesStream(stream: Stream, { remotePeer }: Connection): boolean {
    try {
      this.#deps.policy.admit(peerId(remotePeer.toString()), 'stream')
      return true
    } catch (error) {
      this.refuse('stream', remotePeer, reasonOf(error))
      stream.abort(PubsubError.STREAM_REFUSED({ reason: reasonOf(error) }))
      return false
    }
  }

  /**
   * The frames of a stream that are worth decoding. At one over its limits the stream is cut: what
   * is still on its way would be kept by nobody's leave.
   */
  async *sound(
    from: Libp2pPeerId,
    frames: AsyncIterable<FrameBytes>,
    cut: (error: Error) => void,
  ): AsyncIterable<FrameBytes> {
    try {
      for await (const frame of frames) {
        if (!this.#isWelcome(from)) continue
        const bytes = frame.subarray()
        const fault = faultOf(bytes)
        if (fault !== undefined) throw this.#offence(from, 'frame', `of too many ${fault}`)
        yield bytes
      }
    } catch (error) {
      const isTooLong = error instanceof Error && TOO_LONG.has(error.name)
      const reason = isTooLong ? this.#offence(from, 'oversize', error.message) : error
      if (reason instanceof Error) cut(reason)
      throw reason
    }
  }

  /** What of a frame the router gets to see. */
  admitted(source: PeerId, rpc: Rpc): Rpc {
    const { interests, metrics, conduct } = this.#deps
    const guard = this.#deps.guard()
    const { taken, refused } = interests.note(source, rpc.subscriptions ?? [])
    if (refused > 0) {
      metrics.refusals.add(refused, { reason: 'topics' })
      conduct.offend(source, Math.min(TOPICS_POINTS_MAX, refused))
    }
    return {
      ...rpc,
      // Goodbyes pass in any case: the router may know a topic that we have forgotten.
      subscriptions: taken.filter(
        ({ topic = '', subscribe }) => subscribe !== true || guard?.knows(topic) === true,
      ),
      messages: (rpc.messages ?? []).filter(
        ({ topic, data }) => guard?.admits(source, topic, data?.length ?? 0) === true,
      ),
      ...(rpc.control === undefined ? {} : { control: bounded(rpc.control) }),
    }
  }

  #isWelcome(from: Libp2pPeerId): boolean {
    const peer = from.toString()
    if (!this.#deps.conduct.isHeard(peer)) {
      this.refuse('unheard', from, 'what it sent before')
      return false
    }
    if (this.#frames.take(peer, 1, FRAMES_PER_SECOND_MAX)) return true
    this.refuse('frames', from, 'too many a second')
    return false
  }

  #offence(from: Libp2pPeerId, reason: string, why: string): Error {
    this.#deps.conduct.offend(from.toString(), FRAME_POINTS)
    this.refuse(reason, from, why)
    return PubsubError.STREAM_REFUSED({ reason: `a frame ${why}` })
  }

  refuse(reason: string, peer: { toString(): string }, why: string): void {
    this.#deps.metrics.refusals.add(1, { reason })
    this.#deps.log.debug('gossip refused', { peer: peer.toString(), reason, why })
  }
}

/** A peer that lets us go names neither other peers nor a time that never ends. */
function bounded(control: NonNullable<Rpc['control']>): NonNullable<Rpc['control']> {
  if (control.prune === undefined) return control
  const prune = control.prune.map((one) => ({
    ...one,
    peers: [],
    backoff: Math.min(one.backoff ?? 0, BACKOFF_SECONDS_MAX),
  }))
  return { ...control, prune }
}
