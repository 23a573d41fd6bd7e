/** What the DHT is given: the network below it, a place for records, and who this node is. */

import type { Policy } from '../access/index.ts'
import type { Clock, Logger, Random } from '../base/index.ts'
import type { Signer } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import type { DatagramParts } from './datagram-face.ts'
import type { DhtMetrics } from './metrics.ts'
import type { RecordStorage } from './storage.ts'

export interface DhtDeps {
  readonly host: Pick<
    Host,
    | 'self'
    | 'events'
    | 'open'
    | 'handle'
    | 'addresses'
    | 'addressesOf'
    | 'learn'
    | 'connections'
    | 'protocolsOf'
  >
  readonly signer: Signer
  readonly policy: Policy
  readonly storage: RecordStorage
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: DhtMetrics
  readonly network: string
  /** Absent: questions go over streams alone. */
  readonly datagrams?: DatagramParts | undefined
}
