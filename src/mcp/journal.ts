/**
 * What became of the calls of peers: one entry for each idempotency key of each caller.
 *
 *   (none) ─begin─▶ running ─finish─▶ done      running ─lose─▶ lost      (none) ─ask─▶ withdrawn
 *
 * The entry is written before the tool is started, so that a key is never run twice, not even over
 * a restart: what was running when the node stopped is lost, which says that nobody knows. Whoever
 * asks for a key that never came is told so, and the key is withdrawn: the call may still be on its
 * way, and would otherwise run after its caller has turned to somebody else.
 *
 * An entry that must go before its time leaves a mark: of what is older, nothing is said for sure.
 */

import { type Clock, hasCode } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import type { JournalRow, JournalState, JournalStore } from './journal-store.ts'

/** A longer result is not kept: its hash and its size are. */
export const KEPT_CHARS_MAX = 64 * 1024
export const PEER_ENTRIES_MAX = 1_000
export const PEER_CHARS_MAX = 4 * 1024 * 1024
export const ENTRIES_MAX = 20_000
export const CHARS_MAX = 32 * 1024 * 1024
/** What an entry costs beside its outcome. */
const ENTRY_CHARS = 256
const PEERS_MAX = 4_096

export interface JournalDeps {
  readonly store: JournalStore
  readonly clock: Clock
}

export type JournalConfig = Pick<McpConfig, 'journalKeepMs'>

/** One call of one peer. */
export interface KeyedCall {
  readonly peer: PeerId
  readonly key: string
  /** Of service, tool and arguments: the same key for another call is a mistake. */
  readonly digest: string
  /** Whether it must outlast the node: for tools that must not run twice. */
  readonly durable: boolean
}

/** A JSON-RPC answer without its envelope, as text: `{"result":…}` or `{"error":…}`. */
export type OutcomeText = string

export interface Entry {
  readonly peer: PeerId
  readonly key: string
  readonly digest: string
  readonly durable: boolean
  readonly startedMs: number
  state: JournalState
  /** Of a call that is done the outcome, of one that is lost the reason. */
  text: string
  readonly ended: PromiseWithResolvers<void>
}

interface Part {
  readonly entries: Map<string, Entry>
  chars: number
  /** When the youngest entry that had to go before its time was begun. */
  forgottenMs: number
}

export class Journal {
  readonly #deps: JournalDeps
  readonly #config: JournalConfig
  readonly #parts = new Map<PeerId, Part>()
  #entries = 0
  #chars = 0
  /** What was begun before this is not all known. */
  #sinceMs = 0

  constructor(deps: JournalDeps, config: JournalConfig) {
    this.#deps = deps
    this.#config = config
    const { sinceMs, rows } = deps.store.load(deps.clock.now())
    this.#sinceMs = sinceMs
    for (const row of rows) this.#restore(row)
  }

  get size(): { readonly entries: number; readonly chars: number } {
    return { entries: this.#entries, chars: this.#chars }
  }

  /** A new entry to run under, or the one that has the key already. */
  begin(call: KeyedCall): { readonly entry: Entry; readonly isNew: boolean } {
    const part = this.#partOf(call.peer)
    this.#expire(part)
    const known = part.entries.get(call.key)
    if (known === undefined) return { entry: this.#add(part, call, 'running'), isNew: true }
    if (known.state !== 'withdrawn' && known.digest !== call.digest) {
      throw McpError.KEY_REUSED({ key: call.key })
    }
    return { entry: known, isNew: false }
  }

  /** Whether a call with this key does not run (again). */
  knows(peer: PeerId, key: string): boolean {
    return this.#parts.get(peer)?.entries.has(key) === true
  }

  /** The call is over: this is what came of it. */
  finish(entry: Entry, outcome: OutcomeText): void {
    if (entry.state !== 'running') return
    if (outcome.length > KEPT_CHARS_MAX) this.finishLarge(entry, `${outcome.length} characters`)
    else this.#end(entry, 'done', outcome)
  }

  /** The call is over, and what came of it is not kept but for its size. */
  finishLarge(entry: Entry, size: string): void {
    if (entry.state === 'running') this.#end(entry, 'large', size)
  }

  /** Nobody will ever know what came of it. */
  lose(entry: Entry, reason: string): void {
    if (entry.state === 'running') this.#end(entry, 'lost', reason)
  }

  /** The call asked for more before it did anything: it comes again, with the same key. */
  reopen(entry: Entry): void {
    const part = this.#parts.get(entry.peer)
    if (part?.entries.get(entry.key) !== entry) return
    this.#remove(part, entry)
    entry.state = 'lost'
    entry.text = 'it was refused, or asked for more, before it ran; call it again'
    entry.ended.resolve()
  }

  /**
   * The entry of a call that is no older than `withinMs` at the time when the answer is used.
   * Throws where there is none: it never ran, and will not any more, or nobody can say.
   */
  find(peer: PeerId, key: string, withinMs: number): Entry {
    const part = this.#partOf(peer)
    this.#expire(part)
    const known = part.entries.get(key)
    if (known !== undefined && known.state !== 'withdrawn') return known
    if (known === undefined) {
      const beganMs = this.#deps.clock.now() - withinMs
      if (beganMs <= Math.max(this.#sinceMs, part.forgottenMs)) {
        throw McpError.CALL_LOST({ reason: 'the journal does not reach back that far' })
      }
      this.#add(part, { peer, key, digest: '', durable: true }, 'withdrawn')
    }
    throw McpError.CALL_NEVER_RAN({ key })
  }

  close(): void {
    this.#deps.store.close()
  }

  #partOf(peer: PeerId): Part {
    const known = this.#parts.get(peer)
    if (known !== undefined) return known
    if (this.#parts.size >= PEERS_MAX) this.#dropPart()
    const part: Part = { entries: new Map(), chars: 0, forgottenMs: 0 }
    this.#parts.set(peer, part)
    return part
  }

  /**
   * A peer of which nothing is kept makes room, else the one longest known that has nothing in
   * work; others keep what they have.
   */
  #dropPart(): void {
    const emptyFirst = [...this.#parts].sort(([, a], [, b]) => rankOf(a) - rankOf(b))
    for (const [peer, part] of emptyFirst) {
      const all = [...part.entries.values()]
      if (all.some(({ state }) => state === 'running')) continue
      for (const entry of all) this.#forget(part, entry)
      this.#sinceMs = Math.max(this.#sinceMs, part.forgottenMs)
      this.#parts.delete(peer)
      return
    }
    throw McpError.BUSY({ what: 'the number of peers with calls in the journal', limit: PEERS_MAX })
  }

  #add(part: Part, call: KeyedCall, state: 'running' | 'withdrawn'): Entry {
    this.#makeRoom(part, call.peer, 1)
    const startedMs = this.#deps.clock.now()
    const ended = Promise.withResolvers<void>()
    const entry: Entry = { ...call, startedMs, state, text: '', ended }
    if (call.durable) this.#deps.store.put(rowOf(entry))
    part.entries.set(call.key, entry)
    this.#entries += 1
    this.#grow(part, ENTRY_CHARS)
    return entry
  }

  #end(entry: Entry, state: JournalState, text: string): void {
    const part = this.#parts.get(entry.peer)
    entry.state = state
    entry.text = text
    if (part?.entries.get(entry.key) === entry) {
      if (entry.durable) this.#deps.store.end(rowOf(entry))
      this.#grow(part, text.length)
      this.#makeRoom(part, entry.peer, 0)
    }
    entry.ended.resolve()
  }

  /** The oldest of the same peer goes first, then the oldest of whoever has most. */
  #makeRoom(part: Part, peer: PeerId, more: 0 | 1): void {
    while (part.entries.size + more > PEER_ENTRIES_MAX || part.chars > PEER_CHARS_MAX) {
      if (this.#dropOldest(part)) continue
      throw McpError.BUSY({ what: `the calls of ${peer} in work`, limit: PEER_ENTRIES_MAX })
    }
    while (this.#entries + more > ENTRIES_MAX || this.#chars > CHARS_MAX) {
      const largestFirst = [...this.#parts.values()].sort((a, b) => b.chars - a.chars)
      if (largestFirst.some((each) => this.#dropOldest(each))) continue
      throw McpError.BUSY({ what: 'the journal of calls', limit: ENTRIES_MAX })
    }
  }

  #dropOldest(part: Part): boolean {
    for (const entry of part.entries.values()) {
      if (entry.state === 'running') continue
      this.#forget(part, entry)
      return true
    }
    return false
  }

  /** Entries stand in the order in which they were begun. */
  #expire(part: Part): void {
    const untilMs = this.#deps.clock.now() - this.#config.journalKeepMs
    for (const entry of part.entries.values()) {
      if (entry.startedMs > untilMs) return
      if (entry.state !== 'running') this.#forget(part, entry)
    }
  }

  /** The mark is in the file before the entry goes: a node that dies in between knows too much. */
  #forget(part: Part, entry: Entry): void {
    part.forgottenMs = Math.max(part.forgottenMs, entry.startedMs)
    const marked = entry.durable && this.#mark(entry.startedMs)
    this.#remove(part, entry, marked)
  }

  /** False where the file cannot be written: the entry then stays in it. */
  #mark(startedMs: number): boolean {
    try {
      this.#deps.store.forgotten(startedMs)
      return true
    } catch (error) {
      if (hasCode(error, 'MCP_JOURNAL_FAILED')) return false
      throw error
    }
  }

  #remove(part: Part, entry: Entry, fromFile = entry.durable): void {
    part.entries.delete(entry.key)
    this.#entries -= 1
    this.#grow(part, -(ENTRY_CHARS + entry.text.length))
    if (fromFile) this.#deps.store.delete(entry.peer, entry.key)
  }

  #grow(part: Part, chars: number): void {
    part.chars += chars
    this.#chars += chars
  }

  #restore(row: JournalRow): void {
    const part = this.#partOf(row.peer)
    const ended = Promise.withResolvers<void>()
    ended.resolve()
    const wasRunning = row.state === 'running'
    const entry: Entry = { ...row, durable: true, ended }
    part.entries.set(row.key, entry)
    this.#entries += 1
    this.#grow(part, ENTRY_CHARS + row.text.length)
    if (!wasRunning) return
    entry.state = 'lost'
    entry.text = 'it was running when the node stopped'
    this.#grow(part, entry.text.length)
    this.#deps.store.end(rowOf(entry))
  }
}

function rankOf({ entries, forgottenMs }: Part): number {
  return entries.size === 0 && forgottenMs === 0 ? 0 : 1
}

function rowOf({ peer, key, digest, startedMs, state, text }: Entry): JournalRow {
  return { peer, key, digest, startedMs, state, text }
}
