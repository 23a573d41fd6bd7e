/** Channels that outlive a connection, as the rooms above see them. */

import type { Clock, Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions } from './host.ts'
import type { Keep } from './lasting-account.ts'
import type { Reason } from './lasting-codec.ts'

/** Frames to and from one program of a peer, across connections. */
export interface LastingChannel extends AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly peer: PeerId
  /** What the two programs talk, as it was named when the channel was made. */
  readonly protocol: string
  readonly state: 'attached' | 'resuming' | 'over'
  /** Frames written that the other side's program has not taken yet. */
  readonly unconfirmed: number
  /** Aborts when the channel is over, in whichever way. */
  readonly closed: AbortSignal
  /** The next frame, or `undefined` once the other side has closed. One reader at a time. */
  read(options?: CallOptions): Promise<Uint8Array | undefined>
  /**
   * Resolves when the frame is kept for sending; waits while the buffer is full, then rejects with
   * `NET_CHANNEL_FULL`. A frame that was refused is not sent later.
   */
  write(frame: Uint8Array, options?: CallOptions): Promise<void>
  /** Resolves when the other side's program has taken every frame written so far. */
  confirmed(options?: CallOptions): Promise<void>
  /** No more frames from here; resolves when all are confirmed. Those to come can be read. */
  close(options?: CallOptions): Promise<void>
  /** Drops the session at both sides, with what is not confirmed. */
  abort(error: Error): void
}

/** What a channel needs of whoever keeps it. */
export interface LastingDeps {
  readonly peer: PeerId
  readonly protocol: string
  readonly clock: Clock
  readonly log: Logger
  /** Looks for a way back until `signal` aborts: resolves when attached; a rejection is final. */
  readonly resume: (signal: AbortSignal, why: { readonly isSilent: boolean }) => Promise<void>
  readonly ended: () => void
  /** Counts what is kept for the peer. */
  readonly keep: Keep
}

/** The reasons of the wire as sentences. */
export const SAYINGS: Readonly<Record<Reason, string>> = {
  unserved: 'nobody there serves this protocol',
  unknown: 'the other side has no such session any more; it may have started again',
  full: 'the other side has too many sessions, or keeps too much for us',
  busy: 'the other side opens a stream itself',
  broken: 'the other side says that we broke the protocol',
  stopping: 'the node stops',
  abandoned: 'the other program gave it up',
  unread: 'nobody reads there any more',
}
