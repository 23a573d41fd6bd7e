import { CodedError, defineErrors } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { WireFailure } from './protocol.ts'

interface OnCall {
  readonly peer: PeerId
  readonly method: string
}

export const RpcError = defineErrors('RPC', {
  METHOD_UNKNOWN: {
    says: (f: { method: string }) =>
      `Cannot serve method "${f.method}": there is none of that name`,
  },
  BUSY: {
    says: (f: { limit: number; of: 'peer' | 'node' }) =>
      `Cannot serve another call now: ${f.limit} calls of this ${f.of} are being served`,
    retryable: true,
  },
  EXHAUSTED: {
    says: (f: { size: number }) =>
      `Cannot serve another call now: ${f.size} more bytes are too many to wait for this peer`,
    retryable: true,
  },
  INTERNAL: {
    says: (f: { method: string }) => `Cannot serve method "${f.method}": it failed inside`,
  },
  ANSWER_TOO_LARGE: {
    says: (f: { method: string; size: number; limit: number }) =>
      `Cannot answer method "${f.method}": the answer has ${f.size} bytes and the limit ` +
      `is ${f.limit}`,
  },
  REQUEST_TOO_LARGE: {
    says: (f: OnCall & { size: number; limit: number }) =>
      `Cannot call "${f.method}" at peer ${f.peer}: the request has ${f.size} bytes and the ` +
      `limit is ${f.limit}. Send less, or use a stream`,
  },
  TIMEOUT: {
    says: (f: OnCall & { afterMs: number }) =>
      `Cannot wait longer for "${f.method}" at peer ${f.peer}: no answer in ${f.afterMs} ms`,
    retryable: true,
  },
  CHANNEL_BROKEN: {
    says: (f: OnCall & { reason: string }) =>
      `Cannot finish "${f.method}" at peer ${f.peer}: the channel broke (${f.reason}), ` +
      'so whether the call was served is not known',
    retryable: true,
  },
  CANCELLED: {
    says: (f: OnCall) =>
      `Cannot go on with "${f.method}" at peer ${f.peer}: whoever asked no longer waits`,
  },
  IDLE: {
    says: (f: { peer: PeerId; afterMs: number }) =>
      `Cannot keep the rpc stream of peer ${f.peer}: no request came for ${f.afterMs} ms`,
  },
  STOPPED: {
    says: () => 'Cannot call peers any more: this node is stopping',
  },
  PEERS_EXHAUSTED: {
    says: (f: OnCall & { limit: number }) =>
      `Cannot call "${f.method}" at peer ${f.peer}: calls to ${f.limit} other peers are under way`,
    retryable: true,
  },
})

/** What the other side says went wrong. The code is its word, as the answer would have been. */
export function remoteError(call: OnCall, failure: WireFailure): CodedError {
  const facts = { ...call, remote: true, said: failure.message }
  return new CodedError(failure.code, facts, {
    says: () => `Cannot call "${call.method}" at peer ${call.peer}: it says "${failure.message}"`,
    retryable: failure.retryable,
  })
}
