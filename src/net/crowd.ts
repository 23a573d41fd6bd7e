/**
 * Whose place a newcomer gets when all are taken (sans I/O).
 *
 * Never simply the newest or the oldest, which lets a flood of newcomers displace everybody, but
 * one of the network that has most connections here, if that has more than the newcomer's own
 * would have: first one that is idle, the longest idle first, then the one with fewest streams.
 */

import type { Seat } from './resource-manager.ts'

export interface Crowded {
  readonly host: string | undefined
  readonly idleSinceMs: number | undefined
  readonly streams: number
  readonly seat: Seat
}

/** Undefined when nobody has to go for a newcomer from `host`; for one of `ours` somebody does. */
export function victimOf(
  seated: readonly Crowded[],
  host: string | undefined,
): Crowded | undefined {
  const crowds = new Map<string | undefined, number>()
  for (const one of seated) crowds.set(one.host, (crowds.get(one.host) ?? 0) + 1)
  const mine = host === 'ours' ? -1 : (crowds.get(host) ?? 0)
  const most = Math.max(0, ...crowds.values())
  if (most <= mine + 1) return undefined
  return seated
    .filter((one) => crowds.get(one.host) === most)
    .reduce((a, b) => (isBefore(b, a) ? b : a))
}

function isBefore(a: Crowded, b: Crowded): boolean {
  if (a.idleSinceMs !== undefined && b.idleSinceMs !== undefined) {
    return a.idleSinceMs < b.idleSinceMs
  }
  if (a.idleSinceMs !== b.idleSinceMs) return a.idleSinceMs !== undefined
  return a.streams < b.streams
}
