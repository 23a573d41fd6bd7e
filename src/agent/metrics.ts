import type { Counter, Gauge, Registry } from '../base/index.ts'

export interface PresenceMetrics {
  /** `outcome`: `stored`, `short` (fewer than wanted) or `failed`. */
  readonly published: Counter
  /**
   * `outcome`: `own`, `known`, `found`, `stale` (only what was known is left), `nobody` or
   * `uncertain` (not everybody could be asked).
   */
  readonly lookups: Counter
  readonly agents: Gauge
}

export function presenceMetrics(registry: Registry): PresenceMetrics {
  return {
    published: registry.counter('p2p_agent_records_published', 'Own records written, by outcome', [
      'outcome',
    ]),
    lookups: registry.counter('p2p_agent_lookups', 'Addresses looked up, by outcome', ['outcome']),
    agents: registry.gauge('p2p_agent_agents', 'Agents that are here by their own word'),
  }
}

export interface MessageMetrics {
  /** `route`: `direct`, `gossip`, `mailbox` or `self`; `outcome`: `taken` or `repeated`. */
  readonly received: Counter
  /** `code`: why a message was refused, `AGENT_REPLAYED` for a copy; `route`: how it came. */
  readonly refused: Counter
  /** `state`: every state that a message of ours came to. */
  readonly deliveries: Counter
}

export function messageMetrics(registry: Registry): MessageMetrics {
  return {
    received: registry.counter('p2p_agent_messages_received', 'Messages that were believed', [
      'route',
      'outcome',
    ]),
    refused: registry.counter(
      'p2p_agent_messages_refused',
      'Messages not taken, by error code and how they came',
      ['code', 'route'],
    ),
    deliveries: registry.counter('p2p_agent_deliveries', 'Messages of our own, by new state', [
      'state',
    ]),
  }
}

export interface RegistryMetrics {
  /**
   * `outcome`: `allowed` or why not. `from`: `chain` (asked or still fresh), `kept` (older, because
   * the chain does not answer) or `unasked` (never seen, and the chain does not answer).
   */
  readonly verdicts: Counter
}

export function registryMetrics(registry: Registry): RegistryMetrics {
  return {
    verdicts: registry.counter(
      'p2p_agent_registry_verdicts',
      'Senders held against the agent registry, by outcome and where the answer is from',
      ['outcome', 'from'],
    ),
  }
}

export interface MailMetrics {
  /** `outcome`: `kept`, `work` (told how much work is wanted) or `refused`. */
  readonly mailPuts: Counter
  readonly mailTaken: Counter
  readonly mailKept: Gauge
  readonly mailCollected: Counter
}

export function mailMetrics(registry: Registry): MailMetrics {
  return {
    mailPuts: registry.counter(
      'p2p_agent_mail_puts',
      'Messages that peers brought to be kept for somebody, by outcome',
      ['outcome'],
    ),
    mailTaken: registry.counter(
      'p2p_agent_mail_taken',
      'Messages kept for somebody who said that it has them',
    ),
    mailKept: registry.gauge('p2p_agent_mail_kept', 'Messages that are kept for others now'),
    mailCollected: registry.counter(
      'p2p_agent_mail_collected',
      'Messages for us that others had kept, by outcome',
      ['outcome'],
    ),
  }
}
