/** What bootstrap tried and how it went: a table, and the sentences that `/health` shows. */

import type { PeerId } from '../identity/index.ts'
import { reasonOf } from './errors.ts'

const ATTEMPTS_MAX = 64
const NAMED_MAX = 3

/** The last try of one address. */
export interface BootstrapAttempt {
  readonly address: string
  readonly source: 'configured' | 'remembered' | 'link'
  readonly atMs: number
  /** Who answered; absent when nobody did. */
  readonly peer?: PeerId
  /** Why it failed: an error's code, or `unknown`, and its sentence. */
  readonly code?: string
  readonly reason?: string
}

/** How the search for first peers stands. */
export interface BootstrapReport {
  readonly connected: number
  readonly wanted: number
  readonly attempts: readonly BootstrapAttempt[]
  /** Empty when enough peers are connected; else what was tried, and what would help. */
  readonly reasons: readonly string[]
}

/** What the table does not know by itself. */
export interface BootstrapState {
  readonly connected: number
  readonly wanted: number
  /** Addresses configured and peers remembered: what there is to try. */
  readonly known: number
  readonly nextTryInMs: number | undefined
}

interface Tried extends Omit<BootstrapAttempt, 'code' | 'reason'> {
  readonly error?: unknown
}

export class Attempts {
  readonly #last = new Map<string, BootstrapAttempt>()

  note({ error, ...attempt }: Tried): void {
    this.#last.delete(attempt.address)
    const failed = error === undefined ? {} : { code: codeOf(error), reason: reasonOf(error) }
    this.#last.set(attempt.address, { ...attempt, ...failed })
    const [oldest] = this.#last.keys()
    if (this.#last.size > ATTEMPTS_MAX && oldest !== undefined) this.#last.delete(oldest)
  }

  report(state: BootstrapState): BootstrapReport {
    const { connected, wanted } = state
    const attempts = [...this.#last.values()]
    const reasons = connected < wanted ? [sentence(state, attempts)] : []
    return { connected, wanted, attempts, reasons }
  }
}

function sentence(state: BootstrapState, attempts: readonly BootstrapAttempt[]): string {
  const { connected, wanted, known, nextTryInMs } = state
  const short = `${connected} of ${wanted} wanted peers are connected`
  const failed = attempts.filter(({ reason }) => reason !== undefined)
  if (failed.length === 0 && known === 0) {
    return `${short}: no first peer is configured or remembered. Name one with --bootstrap`
  }
  if (failed.length === 0) return `${short}: ${known} known, none of them failed so far`
  const named = failed.slice(-NAMED_MAX).map((one) => `${one.address} (${one.code}: ${one.reason})`)
  const more = failed.length > NAMED_MAX ? ` and ${failed.length - NAMED_MAX} more` : ''
  const next = nextTryInMs === undefined ? '' : `. Next try in ${Math.ceil(nextTryInMs / 1_000)} s`
  return `${short}: tried ${named.join(', ')}${more}${next}`
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'unknown'
}
