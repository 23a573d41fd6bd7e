import { defineErrors } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

export const AccessError = defineErrors('ACCESS', {
  DENIED: {
    says: (f: { peer: PeerId; action: string; missing: string }) =>
      `Cannot let peer ${f.peer} do "${f.action}": ${f.missing}`,
  },
  QUOTA: {
    says: (f: { peer: PeerId; action: string; of: 'peer' | 'node'; retryAfterMs: number }) =>
      `Cannot let peer ${f.peer} do "${f.action}" now: the quota of the ${f.of} is used up. ` +
      `Try again in ${f.retryAfterMs} ms`,
    retryable: true,
  },
  WORK_BITS: {
    says: (f: { bits: number; limit: number }) =>
      `Cannot ask for ${f.bits} bits of work: wanted a whole number from 0 to ${f.limit}`,
  },
})
