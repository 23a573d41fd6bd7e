/** Floor 0. What every room needs and no room owns; knows nothing of peers or networks. */

export { assert, unreachable } from './assert.ts'
export { BaseError } from './base-errors.ts'
export {
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  fromUtf8,
  indexOfByte,
  toHex,
  utf8,
} from './bytes.ts'
export { type Clock, type Deadline, either, every, joinDeadline, systemClock } from './clock.ts'
export { dataDirFrom } from './data-path.ts'
export { Emitter } from './emitter.ts'
export { takeEnvironment } from './environment.ts'
export {
  CodedError,
  defineErrors,
  type ErrorSpec,
  hasCode,
  isRetryable,
} from './errors.ts'
export { firstUse } from './first-use.ts'
export {
  correlationId,
  createLog,
  type Fields,
  LOG_LEVELS,
  type Logger,
  type LogLevel,
  type LogLevels,
  type LogOptions,
  type RootLogger,
  silentLog,
  withCorrelation,
} from './log.ts'
export { type Counter, type Gauge, type Histogram, Registry } from './metrics.ts'
export { PriorityQueue } from './priority-queue.ts'
export { WorkQueue, type WorkQueueLimits } from './queue.ts'
export { race } from './race.ts'
export { newId, type Random, secureRandom, seededRandom, shuffled } from './random.ts'
export { readBounded } from './read-bounded.ts'
export { RecentMap } from './recent-map.ts'
export { type Backoff, backoffMs } from './retry.ts'
export { type Service, startAll, stopAll } from './service.ts'
export { loadSyscalls, type Syscalls, syscallsMissing } from './syscall.ts'
export { TtlMap } from './ttl-map.ts'
export { packageVersion } from './version.ts'
export { type WriteWholeOptions, writeWhole } from './write-whole.ts'
