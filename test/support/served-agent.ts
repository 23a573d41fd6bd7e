/** The agent of a fake node: it takes what it is given to send, and one message came to it. */

import { Emitter, race } from '../../src/base/index.ts'
import type {
  KeptMessage,
  SendOptions,
  ServedAgent,
  ServedAgentInfo,
} from '../../src/control/served-agent.ts'

type Noted = <T>(name: string, args: readonly unknown[], answer: T) => T

/** The id of what it sends. */
export const SENT_ID = 'ab'.repeat(16)

/** `note` hears of every call but those to read `info`, which is who is here. */
export function fakeAgent(note: Noted, info: ServedAgentInfo): ServedAgent {
  const { address, peer } = info
  const came: KeptMessage = {
    id: 'cd'.repeat(16),
    from: { peer, address },
    to: peer,
    body: Buffer.from('{"said":"hello"}'),
    contentType: 'application/json',
    sentAt: 5,
    receivedAt: 6,
    route: 'direct',
    cursor: 7,
  }
  const taken = (
    [to, state]: readonly [string, string],
    body: Uint8Array,
    { signal: _, ...options }: SendOptions,
  ) => {
    const sent = { id: SENT_ID, to, state, at: 1 }
    return note('agent.send', [to, Buffer.from(body).toString(), options], sent)
  }
  return {
    address,
    send: async (to, body, options) => taken([to, 'queued'], body, options),
    broadcast: async (body, options) => taken(['*', 'sent'], body, options),
    on: (event: string, listener: (payload: never) => void) => {
      return new Emitter<Record<string, never>>(() => undefined).on(event, listener)
    },
    agents: () => [info],
    inbox: {
      list: (query) => note('agent.inbox.list', [query], { messages: [came], cursor: 7 }),
      wait: async ({ after, signal }) => {
        // Nothing comes after it.
        if ((after ?? 0) >= came.cursor) return race(Promise.race([]), signal)
        return note('agent.inbox.wait', [after], came)
      },
      read: async (id) => note('agent.inbox.read', [id], undefined),
    },
  }
}
