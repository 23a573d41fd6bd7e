/**
 * Scopes: who may use how much of what, and how much of it is in use. Sans I/O.
 *
 * A scope is the whole node, a peer, a protocol, a connection or a stream. Whatever is taken is
 * taken from several at once, such as a byte from its stream, its connection, its peer and the
 * node: from all of them or from none. What was taken is given back, so that a scope of which
 * nothing is left in use counts zero; a count below zero is a mistake of ours and stops us.
 */

import { assert } from '../base/index.ts'

export const RESOURCES = [
  'connectionsIn',
  'connectionsOut',
  'streamsIn',
  'streamsOut',
  'memoryBytes',
] as const
export type Resource = (typeof RESOURCES)[number]

/** The most of each; absent is without a limit. Read at every question, so it may change. */
export interface ScopeLimits extends Readonly<Partial<Record<Resource, number>>> {
  /** Both directions together. */
  readonly connections?: number
  readonly streams?: number
}

export type ScopeKind = 'system' | 'transient' | 'peer' | 'protocol' | 'connection' | 'stream'

/** Why something was not taken. */
export interface Shortage {
  readonly scope: ScopeKind
  readonly resource: Resource | 'connections' | 'streams'
  readonly used: number
  readonly limit: number
}

/** What a scope uses and may use, as `/debug/peers` shows it. */
export interface ScopeReport {
  readonly scope: ScopeKind
  readonly name: string
  readonly used: Readonly<Record<Resource, number>>
  readonly limits: Readonly<Record<string, number>>
}

const TOGETHER = {
  connectionsIn: ['connections', 'connectionsOut'],
  connectionsOut: ['connections', 'connectionsIn'],
  streamsIn: ['streams', 'streamsOut'],
  streamsOut: ['streams', 'streamsIn'],
} as const

/** What is asserted of each, as texts that no call has to make. */
const TAKEN = Object.fromEntries(
  RESOURCES.map((resource) => [resource, `no scope gives back more ${resource} than was taken`]),
) as Readonly<Record<Resource, string>>

export class Scope {
  readonly kind: ScopeKind
  readonly name: string
  readonly limits: ScopeLimits
  readonly #used: Record<Resource, number> = {
    connectionsIn: 0,
    connectionsOut: 0,
    streamsIn: 0,
    streamsOut: 0,
    memoryBytes: 0,
  }

  constructor(kind: ScopeKind, name: string, limits: ScopeLimits) {
    this.kind = kind
    this.name = name
    this.limits = limits
  }

  used(resource: Resource): number {
    return this.#used[resource]
  }

  get isIdle(): boolean {
    return RESOURCES.every((resource) => this.#used[resource] === 0)
  }

  /** Why `amount` more does not fit, if it does not. */
  shortage(resource: Resource, amount: number): Shortage | undefined {
    const used = this.#used[resource]
    const limit = this.limits[resource]
    if (limit !== undefined && used + amount > limit) return this.#short(resource, used, limit)
    if (resource === 'memoryBytes') return undefined
    const [together, other] = TOGETHER[resource]
    const sum = used + this.#used[other]
    const most = this.limits[together]
    if (most === undefined || sum + amount <= most) return undefined
    return this.#short(together, sum, most)
  }

  /** Counts `amount` more, or less where it is negative; whoever asks has looked for a shortage. */
  add(resource: Resource, amount: number): void {
    const used = this.#used[resource] + amount
    assert(used >= 0, TAKEN[resource])
    this.#used[resource] = used
  }

  report(): ScopeReport {
    const { kind: scope, name } = this
    return { scope, name, used: { ...this.#used }, limits: { ...this.limits } }
  }

  #short(resource: Shortage['resource'], used: number, limit: number): Shortage {
    return { scope: this.kind, resource, used, limit }
  }
}

/** Takes `amount` from all scopes, or from none and says which has too little. */
export function take(
  scopes: readonly Scope[],
  resource: Resource,
  amount: number,
): Shortage | undefined {
  for (const scope of scopes) {
    const shortage = scope.shortage(resource, amount)
    if (shortage !== undefined) return shortage
  }
  for (const scope of scopes) scope.add(resource, amount)
  return undefined
}

/** Gives back what was taken. */
export function give(scopes: readonly Scope[], resource: Resource, amount: number): void {
  for (const scope of scopes) scope.add(resource, -amount)
}
