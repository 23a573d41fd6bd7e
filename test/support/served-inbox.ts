/** The inbox of an agent in memory, into which a test puts what others send. */

import { race } from '../../src/base/index.ts'
import type {
  KeptMessage,
  ServedAgent,
  ServedInbox,
  ServedMessage,
} from '../../src/control/served-agent.ts'

export interface FakeInbox {
  readonly inbox: ServedInbox & Required<Pick<ServedAgent['inbox'], 'read'>>
  /** Ids in the order in which they were read. */
  readonly read: string[]
  /** What has come. */
  put(...messages: readonly ServedMessage[]): void
}

export function fakeInbox(): FakeInbox {
  const kept: KeptMessage[] = []
  const read: string[] = []
  let next = Promise.withResolvers<void>()
  const inbox = {
    list: ({ limit = 50 }) => ({ messages: kept.toReversed().slice(0, limit) }),
    async wait({ after = 0, unreadUpTo = 0, conversation, signal }) {
      for (;;) {
        const found = kept.find(({ id, cursor, ...message }) => {
          if (conversation !== undefined && message.conversation !== conversation) return false
          return cursor > after && (cursor > unreadUpTo || !read.includes(id))
        })
        if (found !== undefined) return found
        await race(next.promise, signal)
      }
    },
    read: async (id) => void read.push(id),
  } satisfies ServedInbox
  const put = (...messages: readonly ServedMessage[]) => {
    for (const message of messages) kept.push({ ...message, cursor: kept.length + 1 })
    next.resolve()
    next = Promise.withResolvers()
  }
  return { inbox, read, put }
}
