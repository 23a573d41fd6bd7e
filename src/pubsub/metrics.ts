import type { Counter, Histogram, Registry } from '../base/index.ts'

export interface PubsubMetrics {
  /** `outcome`: `sent`, `nobody_listens` or `refused` (by the topic's own rules). */
  readonly published: Counter
  readonly received: Counter
  /**
   * `reason`: see `Refusal` in `checks.ts`, and `signature`, `stream`, `topics`, `frame`,
   * `oversize`, `frames` and `unheard`.
   */
  readonly refusals: Counter
  readonly dropped: Counter
  readonly slowDropped: Counter
  readonly cooled: Counter
  /** How far the clocks of authors were off whose messages were not taken for it. */
  readonly clockOff: Histogram
  /** `outcome`: `asked`, `repaired`, `given_up` or `served`. */
  readonly repairs: Counter
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
    slowDropped: registry.counter(
      'p2p_pubsub_slow_dropped',
      'Frames dropped because the peer they were for was too slow',
    ),
    cooled: registry.counter(
      'p2p_pubsub_cooled',
      'How often a peer was left alone for a while because it was slow again and again',
    ),
    clockOff: registry.histogram(
      'p2p_pubsub_clock_off_seconds',
      'How far from our clock the time of a message was that was refused for it',
      { buckets: [60, 120, 300, 3_600, 86_400, 31_536_000] },
    ),
    repairs: registry.counter(
      'p2p_pubsub_repairs',
      'Messages of topics with repair that were missing here, or given to a peer, by outcome',
      ['outcome'],
    ),
  }
}
