/**
 * What became of a call is asked through other peers as well, where there is no path to its peer.
 */

import type { PeerId } from '../identity/index.ts'
import type { Channel, Host } from '../net/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { encodeMessage, parseFrame } from './protocol.ts'
import type { RelayedCalls } from './relayed-calls.ts'
import { isUnreachable } from './unreachable.ts'

/** For `Outcomes`, which writes one question to a stream and reads one answer. */
export function outcomeHost(
  host: Pick<Host, 'open'>,
  relayed: Pick<RelayedCalls, 'ask'>,
): Pick<Host, 'open'> {
  return {
    open: async (peer, protocol, options) => {
      try {
        return await host.open(peer, protocol, options)
      } catch (cause) {
        if (!isUnreachable(cause)) throw cause
        return questionTo(peer, { relayed, cause })
      }
    },
  }
}

function questionTo(
  peer: PeerId,
  { relayed, cause }: { readonly relayed: Pick<RelayedCalls, 'ask'>; readonly cause: unknown },
): Channel {
  const gone = new AbortController()
  let question: JsonObject | undefined
  const end = (error: Error) => gone.abort(error)
  return {
    peer,
    closed: gone.signal,
    write: async (frame) => {
      question = parseFrame(frame)
    },
    read: async ({ signal = gone.signal } = {}) => {
      if (question === undefined) throw McpError.PIPE_ENDED({ wanted: 'read an outcome' })
      const { id = null, params } = question
      const outcome = await relayed.ask(peer, params as JsonObject, signal)
      if (outcome === undefined) throw cause
      return encodeMessage({ jsonrpc: '2.0', id, ...outcome })
    },
    close: async () => end(McpError.PIPE_ENDED({ wanted: 'go on' })),
    abort: end,
  }
}
