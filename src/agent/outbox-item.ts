/** A message whose way is not over, as the outbox holds it, and waiting for news of it. */

import { wayOf } from './agent-message.ts'
import type { Delivery } from './delivery.ts'
import type { Draft, OutgoingState } from './outbox-store.ts'

export interface Item {
  state: OutgoingState
  isBusy: boolean
  /** What it is sealed with is known to be of no use. */
  isStale: boolean
  /** Until the end of its first try; then it is read from the file. */
  draft?: Draft | undefined
  /** What nobody was told yet: until it is in the file that it was queued. */
  untold?: Delivery[] | undefined
  /** The last try found no stream to its recipient. */
  isUnreached?: boolean
  /** Called at every change, and at the end of a try. */
  readonly heard: Set<() => void>
}

export function itemOf(state: OutgoingState): Item {
  return { state, isBusy: false, isStale: false, heard: new Set() }
}

/** Resolves at the next change, at the end of a try, or when nobody waits any more. */
export async function newsOf({ heard }: Item, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const hear = () => resolve()
  heard.add(hear)
  signal?.addEventListener('abort', hear, { once: true })
  await promise
  signal?.removeEventListener('abort', hear)
  heard.delete(hear)
}

/** Whether a message is for a peer, or for an address in lower case. */
export function isTo({ peer, delivery }: OutgoingState, name: string): boolean {
  return peer === name || wayOf(delivery.to) === name
}
