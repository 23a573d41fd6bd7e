/**
 * What this node shows when it calls: the tokens that it holds for the tool, or, while it serves a
 * peer, only those that came through that peer's hands, and for whom it calls.
 */

import type { GrantTarget, OnBehalf } from '../access/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { rightsMeta } from './exposure-meta.ts'
import { servedNow } from './on-behalf.ts'

/** Chooses the tokens for a call. */
export type GrantsFor = (target: GrantTarget, onBehalf?: OnBehalf) => readonly string[]

/** The part of `_meta` that gives the right to a call; `given` are shown before all others. */
export function rightsFor(
  target: GrantTarget,
  grantsFor: GrantsFor | undefined,
  given: readonly string[] = [],
): JsonObject {
  const served = servedNow()
  const held = grantsFor?.(target, served) ?? []
  const chain = served === undefined ? [] : [...served.chain, served.peer]
  return rightsMeta([...new Set([...given, ...held])], chain)
}
