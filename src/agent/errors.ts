/** What is wrong with what agents say of themselves; messages and envelopes have own tables. */

import { defineErrors } from '../base/index.ts'

export const AgentError = defineErrors('AGENT', {
  NOTICE_INVALID: {
    says: (f: { field: string; found: string }) =>
      `Cannot accept what an agent says of itself: its ${f.field} is ${f.found}`,
  },
})
