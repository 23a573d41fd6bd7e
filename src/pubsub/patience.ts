/** Waiting for peers: until something holds of those who listen, for a time and no longer. */

import { type Clock, race } from '../base/index.ts'
import type { Router } from './gossip.ts'

export interface Wait {
  readonly ms: number
  /** The caller's, who may give up: then the wait rejects with its reason. */
  readonly signal: AbortSignal | undefined
  /** Ends the wait when the room stops. */
  readonly stopped: AbortSignal
}

/** Resolves when `holds` does or the time is over; rejects when the caller gives up. */
export async function awaitPeers(
  holds: () => boolean,
  deps: { readonly gossip: Pick<Router, 'onChange'>; readonly clock: Clock },
  { ms, signal, stopped }: Wait,
): Promise<void> {
  // A signal that was aborted tells nobody who comes later.
  if (ms <= 0 || stopped.aborted || holds()) return
  using deadline = deps.clock.deadline(ms, signal)
  const { promise, resolve } = Promise.withResolvers<void>()
  const over = () => resolve()
  stopped.addEventListener('abort', over, { once: true })
  const stopWatching = deps.gossip.onChange(() => {
    if (holds()) resolve()
  })
  try {
    await race(promise, deadline.signal)
  } catch {
    signal?.throwIfAborted()
  } finally {
    stopWatching()
    stopped.removeEventListener('abort', over)
  }
}
