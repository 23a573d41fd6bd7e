/**
 * What can go wrong with calls that others carry; the codes are of this room, as in `errors.ts`.
 */

import { defineErrors } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

export const RelayError = defineErrors('MCP', {
  ENVELOPE_INVALID: {
    says: (f: { found: string; sent: boolean }) =>
      `Cannot believe what was relayed: found ${f.found}; wanted what its author signed, whole`,
    retryable: true,
  },
  ENVELOPE_STALE: {
    says: (f: { aheadMs: number; limitMs: number; sent: boolean }) =>
      `Cannot take a relayed call: its caller's clock is ${f.aheadMs} ms ahead of its callee's, ` +
      `or it is as old; wanted at most ${f.limitMs} ms either way; set both clocks and call again`,
    retryable: true,
  },
  ENVELOPE_REPLAYED: {
    says: (f: { from: PeerId }) =>
      `Cannot take a relayed call of ${f.from} twice: it came before; ` +
      'only its author can repeat it',
  },
  RELAYED_TOO_LARGE: {
    says: (f: { what: 'call' | 'result'; size: number; limit: number; sent?: false }) =>
      `Cannot send a ${f.what} of ${f.size} bytes through a relay: the limit is ${f.limit}` +
      `${f.what === 'result' ? ', and the tool ran' : ''}; ask for less at once, or find out ` +
      'with "p2p connect --explain" why there is no direct path',
  },
  RELAY_OFF: {
    says: (f: { peer: PeerId; tool: string; reason: string; sent: false }) =>
      `Cannot call tool "${f.tool}": peer ${f.peer} cannot be reached from here (${f.reason}), ` +
      'and calls through other peers are turned off; set mcp.relay_calls = true to ask them',
    retryable: true,
  },
  RELAY_FAILED: {
    says: (f: { peer: PeerId; tool: string; via: PeerId; sent: boolean; reason: string }) =>
      `Cannot call tool "${f.tool}" of peer ${f.peer} through peer ${f.via}: ${f.reason}`,
    retryable: true,
  },
  /** What a relay passes on, or says itself; nobody signed it. */
  RELAY_SAYS: {
    says: (f: { code: string; message: string }) => `it says, unsigned, ${f.code}: ${f.message}`,
    retryable: true,
  },
  RELAY_UNREACHABLE: {
    says: (f: { peer: PeerId; reason: string }) =>
      `Cannot carry a call to peer ${f.peer}: it does not take it from here (${f.reason})`,
    retryable: true,
  },
})
