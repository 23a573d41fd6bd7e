import type { Counter, Registry } from '../base/index.ts'

export interface PubsubMetrics {
  /** `outcome`: `sent`, `nobody_listens` or `refused` (by the topic's own rules). */
  readonly published: Counter
  readonly received: Counter
  /** `reason`: see `Refusal` in `checks.ts`, and `signature`, `stream` and `topics`. */
  readonly refusals: Counter
  readonly dropped: Counter
}

export function pubsubMetrics(registry: Registry): PubsubMetrics {
  return {
    published: registry.counter('p2p_pubsub_published', 'Messages of our own, by outcome', [
      'outcome',
    ]),
    received: registry.counter(
      'p2p_pubsub_received',
      'Messages of others that passed every check and were passed on',
    ),
    refusals: registry.counter(
      'p2p_pubsub_refusals',
      'What peers sent that was neither delivered nor passed on, by reason',
      ['reason'],
    ),
    dropped: registry.counter(
      'p2p_pubsub_dropped',
      'Messages dropped because a subscriber of ours was too slow',
    ),
  }
}
