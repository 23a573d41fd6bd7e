import type { Counter, Histogram, Registry } from '../base/index.ts'

export interface McpMetrics {
  /** By `direction` (inbound, outbound) and `outcome` (ok, error, refused, deadline, failed). */
  readonly requests: Counter
  /** By `direction`, `tool` (of this node's own; else `other`) and `outcome`; not what listens. */
  readonly requestSeconds: Histogram
  readonly serviceRestarts: Counter
  /** Tries of routed calls, by `outcome`: ok, or what the failure meant (unsent, silent, final). */
  readonly attempts: Counter
  /** Calls that went through a third node, by `role` (asked, carried, served) and `outcome`. */
  readonly relayed: Counter
}

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export function mcpMetrics(registry: Registry): McpMetrics {
  return {
    requests: registry.counter('mcp_requests_total', 'MCP requests served and sent, by outcome', [
      'direction',
      'outcome',
    ]),
    requestSeconds: registry.histogram(
      'mcp_request_duration_seconds',
      'How long MCP requests took until they ended, by outcome',
      { labels: ['direction', 'tool', 'outcome'], buckets: SECONDS },
    ),
    serviceRestarts: registry.counter(
      'mcp_service_restarts_total',
      'How often a hosted service had to be started again',
    ),
    attempts: registry.counter('mcp_attempts_total', 'Tries of routed tool calls, by outcome', [
      'outcome',
    ]),
    relayed: registry.counter('mcp_relayed_calls_total', 'Calls through a third node, by role', [
      'role',
      'outcome',
    ]),
  }
}

/** How much the journal of calls holds, read when it is asked for. */
export function journalMetrics(
  registry: Registry,
  size: () => { readonly entries: number; readonly chars: number },
): void {
  const entries = 'Calls of peers whose outcome the journal knows'
  registry.gauge('mcp_journal_entries', entries, { read: () => size().entries })
  const bytes = 'What the journal of calls holds in memory'
  registry.gauge('mcp_journal_bytes', bytes, { read: () => size().chars })
}

/** How many requests of peers are in work and how many wait, read when it is asked for. */
export function queueMetrics(
  registry: Registry,
  queue: { readonly requestsInWork: number; readonly requestsWaiting: number },
): void {
  const inWork = 'Requests of peers that have a place and no answer yet'
  registry.gauge('mcp_requests_in_work', inWork, { read: () => queue.requestsInWork })
  const waiting = 'Requests of peers that wait for their share of the places'
  registry.gauge('mcp_requests_waiting', waiting, { read: () => queue.requestsWaiting })
}
