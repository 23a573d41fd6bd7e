/** Our own mistakes stop the program: what must be true here can only be false by a bug. */

import { BaseError } from './base-errors.ts'

/** Throws when `condition` is false. For invariants, never for input. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw BaseError.BUG({ invariant })
}

/** For the `default` of a switch over a union: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw BaseError.BUG({ invariant: `no case for ${JSON.stringify(value)}` })
}
