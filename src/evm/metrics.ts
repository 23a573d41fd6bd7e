import type { Counter, Histogram, Registry } from '../base/index.ts'

export interface EvmMetrics {
  /** `outcome`: `ok`, `unreachable` or `failed`. */
  readonly requests: Counter
  readonly requestSeconds: Histogram
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export function evmMetrics(registry: Registry): EvmMetrics {
  return {
    requests: registry.counter('p2p_evm_requests', 'Requests to the chain, by outcome', [
      'outcome',
    ]),
    requestSeconds: registry.histogram(
      'p2p_evm_request_seconds',
      'How long answered requests to the chain took',
      { buckets: SECONDS },
    ),
  }
}
