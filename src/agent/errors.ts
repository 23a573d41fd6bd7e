/** What is wrong with what agents say of themselves, or where nobody can be asked what they say. */

import { defineErrors } from '../base/index.ts'

export const AgentError = defineErrors('AGENT', {
  NOTICE_INVALID: {
    says: (f: { field: string; found: string }) =>
      `Cannot accept what an agent says of itself: its ${f.field} is ${f.found}`,
  },
  RECORD_UNCERTAIN: {
    says: (f: { address: string; answered: number; failed: number }) =>
      f.answered + f.failed === 0
        ? `Cannot find agent ${f.address} now: nobody could be asked for its record. ` +
          'Try again once this node has peers that serve the DHT'
        : `Cannot find agent ${f.address} now: ${f.answered} peers have no record of it that ` +
          `holds, and ${f.failed} did not answer, so there may be one. Try again`,
    retryable: true,
  },
})
