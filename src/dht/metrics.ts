import type { Counter, Gauge, Histogram, Registry } from '../base/index.ts'

export interface DhtMetrics {
  readonly recordsStored: Gauge
  readonly tablePeers: Gauge
  readonly questions: Counter
  readonly answers: Counter
  readonly datagrams: Counter
  readonly writesRefused: Counter
  readonly penalties: Counter
  readonly lookupSeconds: Histogram
  readonly lookupQuestions: Histogram
}

export function dhtMetrics(registry: Registry): DhtMetrics {
  return {
    recordsStored: registry.gauge('p2p_dht_records_stored', 'Values stored on this node'),
    tablePeers: registry.gauge('p2p_dht_table_peers', 'Peers in the routing table'),
    questions: registry.counter(
      'p2p_dht_questions',
      'Questions asked of other peers, by kind and outcome',
      ['type', 'outcome'],
    ),
    answers: registry.counter('p2p_dht_answers', 'Questions of other peers, by kind and outcome', [
      'type',
      'outcome',
    ]),
    datagrams: registry.counter(
      'p2p_dht_datagrams',
      'Datagrams that came in, and questions asked as one, by what became of them',
      ['direction', 'outcome'],
    ),
    writesRefused: registry.counter(
      'p2p_dht_writes_refused',
      'Writes of peers that were not stored, by kind and error code, or penalty',
      ['type', 'code'],
    ),
    penalties: registry.counter(
      'p2p_dht_penalties',
      'Peers whose writes were refused so often that none is read for a while',
    ),
    lookupSeconds: registry.histogram('p2p_dht_lookup_seconds', 'How long a lookup took', {
      buckets: [0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15],
    }),
    lookupQuestions: registry.histogram(
      'p2p_dht_lookup_questions',
      'How many peers a lookup asked',
      { buckets: [1, 5, 10, 20, 40, 60, 100, 200] },
    ),
  }
}
