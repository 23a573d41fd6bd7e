/**
 * The policy of a node: strangers may do what is in the table, at its cost, within their quota.
 *
 * Default-deny: what is not in the table is refused to everybody, whatever the type system says,
 * because the name of an action may come from code that is not ours. `mcp.call` reaches only
 * services that the user exposed; which these are is the concern of `mcp`.
 */

import type { Clock, Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { AccessConfig } from './config.ts'
import { AccessError } from './errors.ts'
import type { AccessMetrics } from './metrics.ts'
import type { Action, Policy } from './policy.ts'
import { Quotas, type Rate } from './quota.ts'

/** What each action takes from a quota, in cost units. The list is whole: see default-deny. */
const COSTS: Readonly<Record<Action, number>> = {
  connect: 1,
  stream: 1,
  'dht.query': 1,
  'dht.put': 5,
  'dht.refused': 5,
  'rpc.call': 1,
  'mcp.call': 1,
  'pubsub.message': 1,
}

export interface AccessPolicyDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: AccessMetrics
}

/** The configuration as it is asked for at every step. */
interface Rules {
  readonly blocked: ReadonlySet<PeerId>
  readonly granted: ReadonlySet<PeerId>
  readonly stranger: Rate
  readonly friend: Rate
  readonly all: Rate
}

export class AccessPolicy implements Policy {
  readonly #deps: AccessPolicyDeps
  readonly #quotas: Quotas
  /** What is handed on was said by others: it takes nothing from what a peer may do itself. */
  readonly #handedOn: Quotas
  #rules: Rules

  constructor(deps: AccessPolicyDeps, config: AccessConfig) {
    this.#deps = deps
    this.#rules = rulesOf(config)
    this.#quotas = new Quotas(this.#rules.all, deps.clock.now())
    this.#handedOn = new Quotas(this.#rules.all, deps.clock.now())
  }

  /** From the next question on; what a peer has spent stays spent. */
  reconfigure(config: AccessConfig): void {
    this.#rules = rulesOf(config)
    this.#quotas.setRate(this.#rules.all, this.#deps.clock.now())
    this.#handedOn.setRate(this.#rules.all, this.#deps.clock.now())
  }

  /** Whether a peer was granted more than strangers have: it is one of our own. */
  isGranted(peer: PeerId): boolean {
    return this.#rules.granted.has(peer) && !this.#rules.blocked.has(peer)
  }

  /** Whether a peer may do nothing here: also of what it said to others, and they bring. */
  isBlocked(peer: PeerId): boolean {
    return this.#rules.blocked.has(peer)
  }

  admit(peer: PeerId, action: Action): void {
    const cost = Object.hasOwn(COSTS, action) ? COSTS[action] : undefined
    if (cost === undefined) throw this.#deny(peer, action, 'no grant allows it to any peer')
    const { blocked, granted, stranger, friend } = this.#rules
    if (blocked.has(peer)) throw this.#deny(peer, action, 'the peer is blocked here')

    const rate = granted.has(peer) ? friend : stranger
    const quotas = action === 'pubsub.message' ? this.#handedOn : this.#quotas
    const shortage = quotas.take(peer, cost, rate, this.#deps.clock.now())
    if (shortage === undefined) return
    this.#deps.metrics.refusals.add(1, { action, reason: shortage.of })
    throw AccessError.QUOTA({ peer, action, ...shortage })
  }

  #deny(peer: PeerId, action: string, missing: string) {
    const known = Object.hasOwn(COSTS, action) ? action : 'unlisted'
    this.#deps.metrics.refusals.add(1, { action: known, reason: 'denied' })
    this.#deps.log.warn('peer was refused', { peer, action: known, missing })
    return AccessError.DENIED({ peer, action, missing })
  }
}

function rulesOf(config: AccessConfig): Rules {
  const rate = (perSecond: number) => ({ perSecond, burst: perSecond * config.burstSeconds })
  return {
    blocked: new Set(config.blocked),
    granted: new Set(config.granted),
    stranger: rate(config.ratePerPeer),
    friend: rate(config.rateGranted),
    all: rate(config.rateTotal),
  }
}
