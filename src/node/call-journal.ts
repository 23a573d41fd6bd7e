/** The journal of the calls of peers, in the data folder, and when it opens and closes. */

import { join } from 'node:path'
import type { Service } from '../base/index.ts'
import { Journal, journalMetrics, SqliteJournal } from '../mcp/index.ts'
import type { Given } from './compose.ts'
import type { ResolvedConfig } from './load-config.ts'

/** It is open from here on, as what asks it may be at any time. */
export function openJournal(
  { dataDir, mcp }: ResolvedConfig,
  { clock, machine, registry }: Given,
): { readonly journal: Journal; readonly service: Service } {
  const keepsFiles = machine?.keepsFiles ?? true
  const store = new SqliteJournal(keepsFiles ? join(dataDir, 'calls.sqlite') : ':memory:')
  const journal = new Journal({ store, clock }, mcp)
  journalMetrics(registry, () => journal.size)
  const stop = async () => journal.close()
  return { journal, service: { name: 'mcp journal', start: async () => undefined, stop } }
}
