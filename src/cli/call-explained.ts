/** Why a call went where it went, as two tables for a person. */

import type { Explanation } from '../mcp/index.ts'
import { type Paint, table } from './output.ts'

/** Who was considered, best first, with what the order goes by; then who was tried, and when. */
export function explained({ found, considered, tried }: Explanation, paint: Paint): string[] {
  const source = found.cached ? 'known from before' : `found in ${Math.round(found.ms)} ms`
  const silent = found.silent === 0 ? '' : `, ${found.silent} did not answer`
  return [
    `considered: ${considered.length}, ${source}; ${found.asked} asked${silent}`,
    ...table(
      ['rank', 'peer', 'service', 'why'],
      considered.map((offer, i) => [String(i + 1), offer.peer, offer.service, reasons(offer)]),
      paint,
    ),
    'tried:',
    ...table(
      ['at', 'peer', 'path', 'took', 'outcome'],
      tried.map(({ peer, path, ms, code, atMs }) => [`${atMs} ms`, peer, path, `${ms} ms`, code]),
      paint,
    ),
  ]
}

/** In the order in which they decide. */
function reasons(offer: Explanation['considered'][number]): string {
  const { local, failures, connected, latencyMs, idempotent } = offer
  return [
    ...(local ? ['this node'] : []),
    failures === 0 ? 'no failures' : `${failures.toFixed(1)} failures`,
    connected || local ? 'connected' : 'not connected',
    latencyMs === null ? 'never asked' : `answers in ${latencyMs.toFixed(1)} ms`,
    idempotent ? 'may run twice' : 'must run once',
  ].join(', ')
}
