/**
 * Floor 5. Finding: who lies close to a key, what is stored there, who provides it.
 *
 * In: kad-dht questions from any libp2p peer, records signed by their publisher. Out: reports that
 * say who answered, who stored, and who did not. Start reading at `dht.ts`; the rules are in
 * `lookup.ts`, `table.ts` and `records.ts`, what crosses the wire in `wire.ts` and `record.ts`.
 */

export { type DhtConfig, dhtConfig } from './config.ts'
export type { DatagramParts } from './datagram-face.ts'
export { type ClosestReport, Dht } from './dht.ts'
export type { DhtDeps } from './dht-deps.ts'
export { DhtError } from './errors.ts'
export {
  ETH_RECORD_SECONDS,
  type EthValue,
  encodeEthValue,
  ethRecordKey,
  openEthValue,
} from './eth-record.ts'
export type { OtherClosest, OtherDht, OtherProviders } from './extra.ts'
export type { Provider } from './gather.ts'
export { type Contact, compareDistance, contactOf, type DhtKey, dhtKey } from './key.ts'
export { MemoryStore } from './memory-store.ts'
export { type DhtMetrics, dhtMetrics } from './metrics.ts'
export type { ProvideReport, ProvidersReport } from './providers.ts'
export type { Failure } from './search.ts'
export { SqliteStore } from './sqlite-store.ts'
export type { RecordStorage } from './storage.ts'
export type { TableBucket } from './table-report.ts'
export { parseRecordName } from './validators.ts'
export type { GetReport, PutOptions, PutReport } from './value-reports.ts'
