/**
 * How much of this node's store one publisher, one sender and one network may hold, in count and
 * bytes; sans I/O.
 *
 * A publisher costs nothing to make and a sender little, so neither quota alone stops a flood: one
 * peer may bring records of a thousand publishers, and one machine may be a thousand peers. A
 * network of addresses is what an attacker has to pay for. What is replaced is not counted twice.
 */

import type { PeerId } from '../identity/index.ts'
import type { DhtConfig } from './config.ts'
import { DhtError } from './errors.ts'
import type { Account, RecordStorage, StoredRecord, Usage } from './storage.ts'

/** Who brings something, and from which network; `site` is null if that is private or not known. */
export interface Sender {
  readonly peer: PeerId
  readonly site: string | null
}

/** A record that wants a place, and the one whose place it would take. */
export interface Wanting {
  readonly publisher: PeerId
  readonly size: number
  readonly old: StoredRecord | undefined
}

type Quotas = Pick<
  DhtConfig,
  | 'publisherRecordsMax'
  | 'publisherBytesMax'
  | 'senderRecordsMax'
  | 'senderBytesMax'
  | 'siteRecordsMax'
  | 'siteBytesMax'
>
type Sums = Pick<RecordStorage, 'usageOf'>

export function checkPublisherQuota(storage: Sums, quotas: Quotas, wanting: Wanting): void {
  const { publisher } = wanting
  const used = usedBeside(storage, 'publisher', publisher, wanting.old)
  if (used.records + 1 <= quotas.publisherRecordsMax) {
    if (used.bytes + wanting.size <= quotas.publisherBytesMax) return
  }
  throw DhtError.PUBLISHER_QUOTA({ publisher, ...used })
}

/** The sender's own quota, and that of the network it speaks from. */
export function checkSenderQuotas(
  storage: Sums,
  quotas: Quotas,
  wanting: Wanting,
  { peer, site }: Sender,
): void {
  const bySender = usedBeside(storage, 'sender', peer, wanting.old)
  const { senderRecordsMax, senderBytesMax, siteRecordsMax, siteBytesMax } = quotas
  if (bySender.records >= senderRecordsMax || bySender.bytes + wanting.size > senderBytesMax) {
    throw DhtError.SENDER_QUOTA({ sender: peer, ...bySender })
  }
  if (site === null) return
  const bySite = usedBeside(storage, 'site', site, wanting.old)
  if (bySite.records >= siteRecordsMax || bySite.bytes + wanting.size > siteBytesMax) {
    throw DhtError.SITE_QUOTA({ site, ...bySite })
  }
}

/** What lies on an account, without the record that would be replaced. */
function usedBeside(
  storage: Sums,
  account: Account,
  id: string,
  old: StoredRecord | undefined,
): Usage {
  const used = storage.usageOf(account, id)
  if (old === undefined || old[account] !== id) return used
  return { records: used.records - 1, bytes: used.bytes - old.bytes.length }
}
