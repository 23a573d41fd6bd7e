/** Why no channel could be opened, from what libp2p threw. */

import { hasCode } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { NetError, reasonOf } from './errors.ts'
import type { Protocol } from './host.ts'

/** The error for whoever asked for a channel. */
export function notOpened(peer: PeerId, protocol: Protocol, cause: unknown): Error {
  const facts = { peer, protocol: protocol.id }
  const name = cause instanceof Error ? cause.name : ''
  if (name === 'UnsupportedProtocolError') return NetError.PROTOCOL_UNSUPPORTED(facts, cause)
  if (name === 'TooManyOutboundProtocolStreamsError') {
    return NetError.STREAMS_EXHAUSTED({ ...facts, limit: protocol.outboundMax }, cause)
  }
  const reason = hasCode(cause, 'BASE_DEADLINE') ? 'it did not answer in time' : reasonOf(cause)
  return NetError.OPEN_FAILED({ ...facts, reason }, cause)
}
