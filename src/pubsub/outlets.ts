/**
 * What leaves for each peer: straight into its stream while that takes it, else into a bounded
 * queue. The library would let it pile up in the stream and drop the stream at a limit, with the
 * subscriptions and everything else that was under way.
 */

import type { Logger } from '../base/index.ts'
import type { PubsubConfig } from './config.ts'
import { PubsubError } from './errors.ts'
import type { PubsubMetrics } from './metrics.ts'
import { type FrameKind, PeerQueue } from './peer-queue.ts'
import type { FrameBytes, OutboundStream, RawStream, Rpc } from './stock.ts'

export interface OutletsDeps {
  readonly log: Logger
  readonly metrics: Pick<PubsubMetrics, 'slowDropped'>
  /** Called for each frame for `peer` that found no room. */
  readonly slow: (peer: string) => void
}

type OutletsConfig = Pick<PubsubConfig, 'peerQueueMax' | 'peerQueueBytesMax'>

/** What is written at the moment: the library encodes it, and hands the stream mere bytes. */
type Sending = () => FrameKind

/** Stands before every stream that the router opens. */
export class Outlets {
  readonly #deps: OutletsDeps
  readonly #config: OutletsConfig
  #sending: Sending = () => 'control'

  constructor(deps: OutletsDeps, config: OutletsConfig) {
    this.#deps = deps
    this.#config = config
  }

  /** Frames that are pushed during `work`, which hands them out at once, are of this kind. */
  during<T>(kind: Sending, work: () => T): T {
    const before = this.#sending
    this.#sending = kind
    try {
      return work()
    } finally {
      this.#sending = before
    }
  }

  /** From now on frames for `peer` that its stream does not take wait here. */
  attach(peer: string, stream: Omit<OutboundStream, 'close'>): void {
    const { peerQueueMax, peerQueueBytesMax } = this.#config
    const queue = new PeerQueue<FrameBytes>({
      framesMax: peerQueueMax,
      bytesMax: peerQueueBytesMax,
    })
    const raw = stream.rawStream
    raw.addEventListener('drain', () => this.#flush(peer, raw, queue))
    const push = (frame: FrameBytes) => {
      if (queue.size === 0 && !raw.writableNeedsDrain) raw.send(frame)
      else this.#wait({ peer, raw, queue }, frame)
    }
    Object.defineProperty(stream, 'pushPrefixed', { value: push })
  }

  #flush(peer: string, raw: RawStream, queue: PeerQueue<FrameBytes>): void {
    try {
      while (!raw.writableNeedsDrain) {
        const frame = queue.shift()
        if (frame === undefined) return
        raw.send(frame)
      }
    } catch (error) {
      // The stream ended meanwhile; the library opens another, or knows that the peer is gone.
      this.#deps.log.debug('gossip stream ended with frames waiting', { peer, error })
    }
  }

  #wait(
    line: { readonly peer: string; readonly raw: RawStream; readonly queue: PeerQueue<FrameBytes> },
    frame: FrameBytes,
  ): void {
    const { peer, raw, queue } = line
    const { dropped, isOver } = queue.push(frame, this.#sending(), frame.byteLength)
    if (dropped > 0) {
      this.#deps.metrics.slowDropped.add(dropped)
      this.#deps.slow(peer)
    }
    if (isOver) raw.abort(PubsubError.PEER_STUCK({ peer, bytes: queue.bytes }))
  }
}

/** What a frame of the router's is, and so how dear it is to us. */
export function kindOf({ subscriptions = [], messages = [], control }: Rpc): FrameKind {
  const { graft = [], prune = [] } = control ?? {}
  if (subscriptions.length + graft.length + prune.length > 0) return 'control'
  // A frame with nothing in it is kept too: it costs nothing.
  return messages.length > 0 || control !== undefined ? 'passing' : 'control'
}
