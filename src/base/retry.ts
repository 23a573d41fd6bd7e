/** How long to wait before the next try: exponential, capped, with jitter against marching. */

import type { Random } from './random.ts'

/** The pause before the first retry, and the longest pause. */
export interface Backoff {
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * The pause before try number `attempt` (0 is the first retry): half of `firstMs · 2^attempt`,
 * capped, plus as much again by chance ("equal jitter", AWS Architecture Blog, 2015).
 */
export function backoffMs(attempt: number, { firstMs, maxMs }: Backoff, random: Random): number {
  const whole = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 32))
  return whole / 2 + random.int(Math.max(1, Math.ceil(whole / 2)))
}
