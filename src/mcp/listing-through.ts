/** The list of a peer's tools, on whichever way there is. */

import type { RelayedCalls } from './relayed-calls.ts'
import type { Sessions } from './session.ts'

/** Lists directly where there is a path, and through another peer where there is none. */
export function listingThrough(
  sessions: Pick<Sessions, 'listTools'>,
  relayed: Pick<RelayedCalls, 'listTools'>,
): Pick<Sessions, 'listTools'> {
  return {
    listTools: async (peer, service, options) => {
      const signal = options?.signal ?? new AbortController().signal
      return await sessions.listTools(peer, service, { signal }).catch((cause: unknown) => {
        return relayed.listTools(peer, service, { signal }, cause)
      })
    },
  }
}
