/**
 * What this node shows when it calls: the tokens that it holds for the tool, or, while it serves a
 * peer, only those that came through that peer's hands, and for whom it calls.
 */

import type { GrantTarget, OnBehalf } from '../access/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { rightsMeta } from './exposure-meta.ts'
import type { HeldInvitations } from './invited.ts'
import { servedNow } from './on-behalf.ts'

/** Chooses the tokens for a call. */
export type GrantsFor = (target: GrantTarget, onBehalf?: OnBehalf) => readonly string[]

/** What a node shows by itself: tokens, and that it was invited. */
export interface HeldRights {
  readonly grantsFor?: GrantsFor
  readonly invitations?: Pick<HeldInvitations, 'metaFor'>
}

/** The part of `_meta` that gives the right to a call; `given` are shown before all others. */
export function rightsFor(
  target: GrantTarget,
  { grantsFor, invitations }: HeldRights,
  given: readonly string[] = [],
): JsonObject {
  const served = servedNow()
  const held = grantsFor?.(target, served) ?? []
  const chain = served === undefined ? [] : [...served.chain, served.peer]
  const invited = invitations?.metaFor(target)
  return { ...rightsMeta([...new Set([...given, ...held])], chain), ...invited }
}
