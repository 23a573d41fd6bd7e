/** The tally of the laboratory `agents` as a table, and what of it is not as it must be. */

import type { Tally } from './agents-tally.ts'

/** What must hold and does not; empty when all does. */
export function missed(tally: Tally): readonly string[] {
  const { open, missing: lost, duplicates, unverified: strange, forged } = tally
  const { failed, expired, delivered, direct, hearings } = tally
  const share = hearings.heard / hearings.wanted
  return [
    ...(share >= 0.999 ? [] : [`broadcasts: ${(100 * share).toFixed(2)} %`]),
    ...(open === 0 ? [] : [`${open} without an end`]),
    ...(lost === 0 ? [] : [`${lost} confirmed and not there`]),
    ...(duplicates === 0 ? [] : [`${duplicates} duplicates`]),
    ...(strange === 0 ? [] : [`${strange} unverified`]),
    ...(delivered + failed + expired === direct && delivered > 0 ? [] : ['not all delivered']),
    ...(forged.believed === 0 ? [] : [`${forged.believed} forgeries answered`]),
    ...(forged.forged > 0 && forged.honest > 0 ? [] : ['nothing was forged']),
  ]
}

export function described(tally: Tally): string {
  const { hearings, hearingsOfAll: all, receiptMs, receiptHereMs: here, forged } = tally
  const percent = (heard: number, wanted: number) => `${((100 * heard) / wanted).toFixed(3)} %`
  const rows: readonly (readonly [string, string])[] = [
    ['direct messages', String(tally.direct)],
    ['delivered, by receipt', String(tally.delivered)],
    ['  of them stored first', String(tally.storedFirst)],
    ['reported failed', String(tally.failed)],
    ['expired', String(tally.expired)],
    ['end in the file only', String(tally.endedInFile)],
    ['without an end', String(tally.open)],
    ['confirmed, not there', String(tally.missing)],
    ['duplicates to a reader', String(tally.duplicates)],
    ['unverified to a reader', String(tally.unverified)],
    ['copies answered again', String(tally.copiesAnswered)],
    ['refused', `${tally.refused}; forgeries ${forged.forged}, believed ${forged.believed}`],
    ['broadcasts', `${tally.broadcasts}, ${tally.broadcastsFailed} of them failed`],
    [
      'heard',
      `${hearings.heard} of ${hearings.wanted}, ${percent(hearings.heard, hearings.wanted)}`,
    ],
    ['  with who was away', `${all.heard} of ${all.wanted}, ${percent(all.heard, all.wanted)}`],
    ['  by repair', String(hearings.repaired)],
    ['back after, ms', tally.backMs.join(', ')],
    ['to receipt, ms', `p50 ${receiptMs.p50}, p99 ${receiptMs.p99}, max ${receiptMs.max}`],
    ['  nobody away', `p50 ${here.p50}, p99 ${here.p99}, max ${here.max}`],
    ['routes', JSON.stringify(tally.routes)],
    ['without an end', tally.openAs.slice(0, 8).join('\n')],
    ['troubles', JSON.stringify(tally.troubles.slice(0, 8))],
  ]
  return rows.map(([name, value]) => `${name.padEnd(24)}${value}`).join('\n')
}
