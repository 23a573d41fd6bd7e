/**
 * The last calls that peers made here: who, which tool, by which grant, how it ended.
 *
 * Written a few at a time: what a crash takes is the last second of them. Never any arguments.
 */

import type { Clock, Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { AUDIT_MAX, type GrantStore } from './grants-store.ts'

/** One call of a peer that has ended, or that was refused. */
export interface AuditEntry {
  readonly atMs: number
  readonly peer: PeerId
  readonly service: string | null
  readonly tool: string
  /** Null where no grant was needed, or none was there. */
  readonly grant: string | null
  /** Through whose hands the grant came, the issuer first; empty without a grant. */
  readonly chain: readonly PeerId[]
  /** ok, error, refused, deadline or failed. */
  readonly outcome: string
  /** The code of the error that refused it. */
  readonly code: string | null
  readonly ms: number
}

const WAITING_MAX = 64
const FLUSH_MS = 1_000

export interface AuditDeps {
  readonly store: Pick<GrantStore, 'appendAudit' | 'audit'>
  readonly clock: Clock
  /** Is told when the log cannot be written: calls go on without. */
  readonly onfailure: (error: unknown) => void
}

/** The audit log of one node. */
export class AuditLog implements Service {
  readonly name = 'audit'
  readonly #deps: AuditDeps
  readonly #stopped = new AbortController()
  #waiting: AuditEntry[] = []
  #isDue = false

  constructor(deps: AuditDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#flush()
  }

  note(entry: Omit<AuditEntry, 'atMs'>): void {
    const atMs = this.#deps.clock.now()
    this.#waiting.push({ atMs, ...entry, tool: entry.tool.slice(0, 128) })
    if (this.#waiting.length >= WAITING_MAX || this.#stopped.signal.aborted) this.#flush()
    else if (!this.#isDue) void this.#flushSoon()
  }

  /** The newest first. */
  list(limit: number): readonly AuditEntry[] {
    this.#flush()
    const entries = this.#deps.store.audit(Math.min(limit, AUDIT_MAX))
    return entries.map((entry) => JSON.parse(entry) as AuditEntry)
  }

  /** A call that nobody follows is written too: it may be the one that ends the node. */
  async #flushSoon(): Promise<void> {
    this.#isDue = true
    await this.#deps.clock.sleep(FLUSH_MS, this.#stopped.signal).catch(() => {})
    this.#isDue = false
    this.#flush()
  }

  #flush(): void {
    const entries = this.#waiting.map((entry) => JSON.stringify(entry))
    this.#waiting = []
    if (entries.length === 0) return
    try {
      this.#deps.store.appendAudit(entries)
    } catch (error) {
      this.#deps.onfailure(error)
    }
  }
}
