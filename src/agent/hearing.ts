/**
 * What is heard on the topic of messages: so many are taken together, as what keeps them takes a
 * turn for one as for many, and none waits behind one whose sender the registry is asked about.
 */

import type { Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Pubsub } from '../pubsub/index.ts'
import { MESSAGE_TOPIC, messageTopicRules, type OnTopic } from './message-topic.ts'

/** At once, but for those that wait for the registry, of which there is a bound elsewhere. */
const AT_ONCE_MAX = 64

export interface HearingDeps {
  readonly network: string
  /** Whether messages in OpenPond's form are read. */
  readonly openpond: boolean
  /** Counts and explains what it refuses: nobody waits for an answer here. */
  readonly take: (heard: OnTopic, from: PeerId) => Promise<unknown>
  /** How many of what was taken wait for the registry now. */
  readonly waiting: () => number
  /** Told of what is no message of this network, or in the name of another than its author. */
  readonly refused: (author: PeerId, error?: unknown) => void
  readonly log: Logger
}

/** Resolves when `signal` aborts and all that was begun is done; joins the topic at once. */
export async function hearMessages(
  pubsub: Pick<Pubsub, 'topic' | 'subscribe'>,
  deps: HearingDeps,
  signal: AbortSignal,
): Promise<void> {
  const { network, openpond, take, waiting, refused, log } = deps
  pubsub.topic(MESSAGE_TOPIC, messageTopicRules(network, { openpond, refused }))
  let taking = 0
  let changed = Promise.withResolvers<void>()
  const taken = () => {
    taking -= 1
    changed.resolve()
    changed = Promise.withResolvers()
  }
  try {
    for await (const { from, value } of pubsub.subscribe<OnTopic>(MESSAGE_TOPIC, { signal })) {
      taking += 1
      take(value, from).then(taken, taken)
      while (taking - waiting() >= AT_ONCE_MAX) await changed.promise
    }
  } catch (error) {
    if (!signal.aborted) log.error('messages of the topic no longer heard', { error })
  }
  while (taking > 0) await changed.promise
}
