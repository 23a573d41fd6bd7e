/**
 * Messages for one who listens, out of the inbox: first those that nobody has read, the oldest
 * first, then each that comes. Its place is one in the inbox. So what came while nobody listened
 * is told at the next start, what a slow listener has no room for waits there, and none is told
 * twice.
 */

import { setImmediate } from 'node:timers/promises'
import { type Clock, race } from '../base/index.ts'
import { type KeptMessage, markRead, type ServedAgent } from './served-agent.ts'

/** After a failure. */
const PAUSE_MS = 2_000
/** Of messages that are there already; then others have their turn. */
const AT_ONCE_MAX = 32

export interface MessageReaderDeps {
  readonly inbox: ServedAgent['inbox']
  readonly clock: Clock
  /** Resolves when the message has been handed on: then it counts as read. */
  tell(message: KeptMessage, signal: AbortSignal): Promise<void>
  failed(error: unknown): void
}

/** Tells messages until the signal aborts; a failure is told, and waited out. */
export async function readMessages(deps: MessageReaderDeps, signal: AbortSignal): Promise<void> {
  const { inbox, clock, failed } = deps
  const isOver = () => signal.aborted
  let place: Place | undefined
  while (!isOver()) {
    try {
      // What came before and was read has been told, here or elsewhere.
      place ??= { after: 0, unreadUpTo: inbox.list({ limit: 1 }).messages[0]?.cursor ?? 0 }
      await readFrom(place, deps, signal)
    } catch (error) {
      if (isOver()) return
      failed(error)
      await clock.sleep(PAUSE_MS, signal).catch(() => undefined)
    }
  }
}

interface Place {
  /** The last message that was told. */
  after: number
  readonly unreadUpTo: number
}

async function readFrom(
  place: Place,
  { inbox, tell }: MessageReaderDeps,
  signal: AbortSignal,
): Promise<void> {
  for (let count = 1; ; count += 1) {
    const message = await inbox.wait({ ...place, signal })
    await race(tell(message, signal), signal)
    place.after = message.cursor
    markRead({ inbox }, message.id)
    if (count % AT_ONCE_MAX === 0) await setImmediate()
  }
}
