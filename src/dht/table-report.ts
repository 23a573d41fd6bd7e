/** The routing table as a person or a test looks at it: who is in it, bucket by bucket. */

import type { PeerId } from '../identity/index.ts'
import { type Contact, commonPrefixLength } from './key.ts'
import type { Members } from './members.ts'

/** The peers whose keys share exactly so many leading bits with ours. */
export interface TableBucket {
  readonly sharedBits: number
  /** The one nearest to us first. */
  readonly peers: readonly PeerId[]
}

/** Every bucket that holds somebody, the farthest peers first. */
export function bucketsOf(
  self: Contact,
  members: Pick<Members, 'size' | 'closest'>,
): readonly TableBucket[] {
  const buckets = new Map<number, PeerId[]>()
  for (const { peer, key } of members.closest(self.key, members.size)) {
    const sharedBits = commonPrefixLength(self.key, key)
    const peers = buckets.get(sharedBits) ?? []
    peers.push(peer)
    buckets.set(sharedBits, peers)
  }
  return [...buckets]
    .map(([sharedBits, peers]) => ({ sharedBits, peers }))
    .sort((a, b) => a.sharedBits - b.sharedBits)
}
