/** Results above one frame: kept for those who called, and read from those whom we called. */

import { join } from 'node:path'
import type { Service } from '../base/index.ts'
import {
  type Outcomes,
  ResultReader,
  ResultServer,
  ResultStore,
  type Settles,
} from '../mcp/index.ts'
import type { Given, Parts } from './compose.ts'
import type { ResolvedConfig } from './load-config.ts'

export interface LargeResults {
  readonly results: ResultStore
  readonly whole: ResultReader['whole']
  readonly services: readonly Service[]
}

/** What a peer says later of a call may be the name of a result that it keeps, as well. */
export function wholeOutcomes(
  outcomes: Pick<Outcomes, 'settle'>,
  whole: LargeResults['whole'],
): Settles {
  return {
    settle: async (peer, question, signal) => {
      const settled = await outcomes.settle(peer, question, signal)
      if (settled.kind !== 'ran') return settled
      const { tool, onlarge } = question
      const result = await whole({ peer, tool }, settled.result, { signal, onlarge })
      return { ...settled, result }
    },
  }
}

/** In a folder of their own within the data folder, which is emptied when the node stops. */
export function openResults(
  { dataDir, mcp, network }: ResolvedConfig,
  { clock, random, log }: Given,
  { host, policy }: Pick<Parts, 'host' | 'policy'>,
): LargeResults {
  const results = new ResultStore({ folder: join(dataDir, 'results'), clock, random }, mcp)
  const room = { host, policy, clock, log: log.child('mcp'), network }
  const server = new ResultServer({ ...room, store: results })
  const reader = new ResultReader(room, mcp)
  return {
    results,
    whole: (of, result, options) => reader.whole(of, result, options),
    services: [results, server],
  }
}
