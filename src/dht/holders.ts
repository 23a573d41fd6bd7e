/**
 * Who is to hold what lies at a key: the peers closest to it that answered, with this node among
 * them where it belongs.
 *
 * Where made-up peers crowd the honest out it is everybody in the region, as wide as the honest
 * need: made-up ones may hold nothing, but they keep nobody else from holding (SR-DHT-Store,
 * arXiv 2505.01139). The search has bounded how many these are.
 */

import type { DhtConfig } from './config.ts'
import type { Contact, DhtKey } from './key.ts'
import type { Members } from './members.ts'
import type { SearchReport } from './search.ts'

export interface Holders {
  /** Whether this node is one of them. */
  readonly here: boolean
  readonly others: readonly Contact[]
  readonly wanted: number
}

export interface HoldersDeps {
  readonly self: Contact
  readonly members: Pick<Members, 'selfAmong' | 'density'>
}

export function holdersOf(
  key: DhtKey,
  report: Pick<SearchReport, 'closest' | 'region' | 'crowded'>,
  { self, members }: HoldersDeps,
  { mode, replication }: Pick<DhtConfig, 'mode' | 'replication'>,
): Holders {
  const { closest, region, crowded } = report
  const serves = mode === 'server'
  if (crowded) {
    const here = serves && members.density.within(key, self.key)
    return { here, others: region, wanted: region.length + (here ? 1 : 0) }
  }
  const here = serves && members.selfAmong(key, replication)
  return { here, others: closest.slice(0, replication - (here ? 1 : 0)), wanted: replication }
}
