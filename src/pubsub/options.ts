/** What a caller can ask of one publish or one subscription, and within which bounds. */

import { PubsubError } from './errors.ts'

export interface PublishOptions {
  readonly signal?: AbortSignal
  /**
   * How long to wait, when nobody listens, for the first peer that does: one that told us so and
   * to which a stream is open. Without it, not at all; a day at most.
   */
  readonly waitForPeersMs?: number
  /**
   * How long to wait for a mesh: as many peers of ours in it as GossipSub wants at least, or all
   * that listen where those are fewer; where we do not subscribe, for the first that listens. When
   * the time is over it is published to whom there is; a day at most.
   */
  readonly waitForMeshMs?: number
}

export interface SubscribeOptions {
  /** Ends the subscription; what waits in its queue by then can still be read. */
  readonly signal?: AbortSignal
  /** Messages kept while you read none; then the oldest is dropped. `queue_max` unless given. */
  readonly queueMax?: number
  /** Bytes of messages kept, as they came; `queue_bytes_max` unless given. */
  readonly queueBytesMax?: number
}

/** A subscriber that asks for more would keep what strangers send, without an end. */
export const QUEUE_MAX = 100_000
export const QUEUE_BYTES_MAX = 1_024 * 1_024 * 1_024
export const WAIT_MS_MAX = 86_400_000

interface Option {
  readonly rule: string
  readonly found: number
  readonly min: number
  readonly max: number
}

/** Throws for a number that is outside of its bounds, or none. */
export function checkOption(topic: string, { rule, found, min, max }: Option): void {
  // Written so that NaN is refused as well.
  if (found >= min && found <= max) return
  const wanted = `a number from ${min} to ${max}`
  throw PubsubError.RULES_INVALID({ topic, rule, found, wanted })
}

/** An option that is named but `undefined` is one left open. */
export function definedIn({ queueMax, queueBytesMax }: SubscribeOptions) {
  return {
    ...(queueMax !== undefined && { queueMax }),
    ...(queueBytesMax !== undefined && { queueBytesMax }),
  }
}
