/** Why a call went where it went, as two tables for a person. */

import type { Explanation } from '../mcp/index.ts'
import { type Paint, table } from './output.ts'

/**
 * Who was considered, best first, with what the order goes by, what was measured, and how many
 * tokens we show or which grant or approval was missing; then who was tried, and when.
 */
export function explained({ found, considered, tried }: Explanation, paint: Paint): string[] {
  const source = found.cached ? 'known from before' : `found in ${Math.round(found.ms)} ms`
  const silent = found.silent === 0 ? '' : `, ${found.silent} did not answer`
  return [
    `considered: ${considered.length}, ${source}; ${found.asked} asked${silent}`,
    ...table(
      ['rank', 'peer', 'service', 'trip', 'answered', 'load', 'in work', 'grants', 'why'],
      considered.map((offer, i) => [
        String(i + 1),
        offer.peer,
        offer.service,
        offer.latencyMs === null ? '-' : `${offer.latencyMs.toFixed(1)} ms`,
        percent(offer.success === null ? null : 100 * offer.success),
        percent(offer.load),
        String(offer.inWork),
        offer.missing ?? String(offer.grants),
        reasons(offer),
      ]),
      paint,
    ),
    'tried:',
    ...table(
      ['at', 'peer', 'path', 'took', 'outcome'],
      tried.map(({ peer, path, via, ms, code, atMs }) => {
        const how = via === undefined ? path : `${path} via ${via}`
        return [`${atMs} ms`, peer, how, `${ms} ms`, code]
      }),
      paint,
    ),
    ...(tried.some(({ via }) => via !== undefined) ? [RELAYED] : []),
  ]
}

/** What a caller may miss there. */
const RELAYED = 'relayed: one answer of at most 1 MiB; no progress, and no questions of the tool'

/** What put it there; then the rest, in the order in which it decides. */
function reasons(offer: Explanation['considered'][number]): string {
  const { local, failures, connected, latencyMs, idempotent, behind } = offer
  return [
    behind === null ? 'first' : `behind by ${behind}`,
    ...(local ? ['this node'] : []),
    failures === 0 ? 'no failures' : `${failures.toFixed(1)} failures`,
    connected || local ? 'connected' : 'not connected',
    ...(latencyMs === null ? ['never asked'] : []),
    idempotent ? 'may run twice' : 'must run once',
  ].join(', ')
}

function percent(value: number | null): string {
  return value === null ? '-' : `${Math.round(value)} %`
}
