import type { Counter, Histogram, Registry } from '../base/index.ts'

export interface RpcMetrics {
  /** `outcome`: `ok`, `failed` (the peer's word), `broken`, `timeout` or `given_up`. */
  readonly calls: Counter
  readonly callSeconds: Histogram
  /** `outcome`: `ok`, `failed` or `refused`. */
  readonly served: Counter
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function rpcMetrics(registry: Registry): RpcMetrics {
  return {
    calls: registry.counter('p2p_rpc_calls', 'Calls to peers, by outcome', ['outcome']),
    callSeconds: registry.histogram('p2p_rpc_call_seconds', 'How long answered calls took', {
      buckets: SECONDS,
    }),
    served: registry.counter('p2p_rpc_served', 'Calls of peers, by outcome', ['outcome']),
  }
}
