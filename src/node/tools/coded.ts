/** Telling our errors from all others, in a form that keeps the types. */

import { CodedError } from '../../base/index.ts'

/** Whether an error is one of a table, whichever: its code and facts are then known to be there. */
export function isCoded(error: unknown): error is CodedError {
  return error instanceof CodedError
}
