import type { Counter, Registry } from '../base/index.ts'

export interface AccessMetrics {
  readonly refusals: Counter
}

export function accessMetrics(registry: Registry): AccessMetrics {
  return {
    refusals: registry.counter(
      'p2p_access_refusals',
      'Requests of peers that were refused before they were read, by action and reason',
      ['action', 'reason'],
    ),
  }
}
