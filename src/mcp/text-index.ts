/**
 * What was seen of the services of others, and a full-text index over their tools, so that a search
 * for words asks nobody. In memory, bounded for each peer and in all; the oldest make room, and
 * what has expired is not found.
 *
 * The index is FTS5 of SQLite (decision 0053), opened with the first service.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { DatabaseSync as Database } from 'node:sqlite'
import { type Clock, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { DescribedTool, Descriptor } from './descriptor.ts'
import { spaced, wordsOf } from './tool-query.ts'

export interface TextIndexLimits {
  readonly servicesMax: number
  readonly servicesPerPeerMax: number
  readonly charsMax: number
  readonly charsPerPeerMax: number
}

export const TEXT_INDEX_LIMITS: TextIndexLimits = {
  servicesMax: 4_096,
  servicesPerPeerMax: 32,
  charsMax: 8 * 1_024 * 1_024,
  charsPerPeerMax: 128 * 1_024,
}

/** A tool that was found, with what its service said. */
export interface TextHit {
  readonly descriptor: Descriptor
  readonly tool: DescribedTool
}

/** What a service costs besides its text: keys, rows, the descriptor itself. */
const CHARS_PER_SERVICE = 256
const CHARS_PER_TOOL = 128
/** Clocks differ by so much, and a record that lies so long is still renewed. */
const SKEW_MS = 300_000
/** How long what says nothing of its end is kept. */
const UNSAID_MS = 3_600_000
/** So long a record that a slow holder still gives does not bring back what was withdrawn. */
const GONE_MS = 600_000
/** Of rows looked at for one search: what is expired or filtered out is among them. */
const ROWS_MAX = 512
/** A word in the name of a tool says more than one in a description. */
const WEIGHTS = '8, 1, 4, 4'

interface Seen {
  readonly descriptor: Descriptor
  readonly expiresMs: number
  readonly chars: number
  readonly rows: readonly (number | bigint)[]
}

interface Row {
  readonly rowid: number
}

export class TextIndex {
  readonly #clock: Clock
  readonly #limits: TextIndexLimits
  /** By service that was withdrawn: until when what was said before would have counted. */
  readonly #gone: TtlMap<string, number>
  /** The oldest first. */
  readonly #seen = new Map<string, Seen>()
  readonly #byRow = new Map<number, { readonly key: string; readonly tool: DescribedTool }>()
  readonly #byPeer = new Map<PeerId, Set<string>>()
  #chars = 0
  #open: Tables | undefined

  constructor(clock: Clock, limits: TextIndexLimits = TEXT_INDEX_LIMITS) {
    this.#clock = clock
    this.#limits = limits
    this.#gone = new TtlMap({ entriesMax: limits.servicesMax, ttlMs: GONE_MS, clock })
  }

  /** Services that are known now. */
  get size(): number {
    return this.#seen.size
  }

  /** What it costs, in characters: its own measure for `charsMax`. */
  get chars(): number {
    return this.#chars
  }

  /** Keeps what a peer said of a service in place of what it said before, unless that is over. */
  put(descriptor: Descriptor): void {
    const { peer, service, expires, tools, toolCount } = descriptor
    const key = keyOf(peer, service)
    if (toolCount === 0) {
      this.#withdraw(key, expires)
      return
    }
    // What an index holds does not say until when it counts.
    if (expires <= (this.#gone.get(key) ?? -1)) return
    this.#delete(key)
    const now = this.#clock.now()
    const expiresMs = expires === 0 ? now + UNSAID_MS : expires * 1_000 + SKEW_MS
    const chars = charsOf(descriptor)
    if (tools.length === 0 || expiresMs <= now || chars > this.#limits.charsPerPeerMax) return
    this.#makeRoom(peer, chars)
    const rows = this.#insert(key, descriptor)
    this.#seen.set(key, { descriptor, expiresMs, chars, rows })
    this.#byPeer.set(peer, (this.#byPeer.get(peer) ?? new Set()).add(key))
    this.#chars += chars
  }

  /** What a peer last said of a service, unless it has expired. */
  get(peer: PeerId, service: string): Descriptor | undefined {
    const seen = this.#seen.get(keyOf(peer, service))
    return seen !== undefined && seen.expiresMs > this.#clock.now() ? seen.descriptor : undefined
  }

  /** Tools with all the words, those that fit best first. */
  search(text: string): readonly TextHit[] {
    const words = wordsOf(text).map((word) => `"${word}"*`)
    const tables = this.#open
    if (words.length === 0 || tables === undefined) return []
    const rows = tables.match.all(words.join(' AND ')) as unknown as readonly Row[]
    return rows.flatMap(({ rowid }) => this.#hit(rowid))
  }

  /** Everything that is not expired. */
  all(): readonly Descriptor[] {
    const now = this.#clock.now()
    return [...this.#seen.values()].flatMap(({ descriptor, expiresMs }) => {
      return expiresMs > now ? [descriptor] : []
    })
  }

  close(): void {
    this.#open?.database.close()
    this.#open = undefined
    this.#seen.clear()
    this.#byRow.clear()
    this.#byPeer.clear()
    this.#chars = 0
  }

  #withdraw(key: string, expires: number): void {
    const before = this.#seen.get(key)?.descriptor.expires ?? 0
    this.#gone.set(key, Math.max(expires, before, this.#gone.get(key) ?? 0))
    this.#delete(key)
  }

  #hit(rowid: number): TextHit[] {
    const { key = '', tool } = this.#byRow.get(rowid) ?? {}
    const seen = this.#seen.get(key)
    if (seen === undefined || tool === undefined) return []
    return seen.expiresMs > this.#clock.now() ? [{ descriptor: seen.descriptor, tool }] : []
  }

  #insert(key: string, { service, tags, tools }: Descriptor): readonly (number | bigint)[] {
    this.#open ??= openTables()
    const { insert } = this.#open
    return tools.map((tool) => {
      const about = [tool.name, tool.description, service, tags.join(' ')].map(spaced)
      const [name = '', description = '', ...rest] = about
      const [named = '', tagged = ''] = rest
      const { lastInsertRowid } = insert.run(name, description, named, tagged)
      this.#byRow.set(Number(lastInsertRowid), { key, tool })
      return lastInsertRowid
    })
  }

  /** First of this peer's own, so that one peer with much to say drives nobody else out. */
  #makeRoom(peer: PeerId, chars: number): void {
    const { servicesMax, servicesPerPeerMax, charsMax, charsPerPeerMax } = this.#limits
    for (const key of [...(this.#byPeer.get(peer) ?? [])]) {
      const own = [...(this.#byPeer.get(peer) ?? [])]
      const used = own.reduce((sum, each) => sum + (this.#seen.get(each)?.chars ?? 0), 0)
      if (own.length < servicesPerPeerMax && used + chars <= charsPerPeerMax) break
      this.#delete(key)
    }
    for (const key of this.#seen.keys()) {
      if (this.#seen.size < servicesMax && this.#chars + chars <= charsMax) break
      this.#delete(key)
    }
  }

  #delete(key: string): void {
    const seen = this.#seen.get(key)
    if (seen === undefined) return
    const { peer } = seen.descriptor
    this.#seen.delete(key)
    this.#chars -= seen.chars
    const own = this.#byPeer.get(peer)
    own?.delete(key)
    if (own?.size === 0) this.#byPeer.delete(peer)
    for (const row of seen.rows) {
      this.#byRow.delete(Number(row))
      this.#open?.remove.run(row)
    }
  }
}

interface Tables {
  readonly database: DatabaseSync
  readonly insert: StatementSync
  readonly remove: StatementSync
  readonly match: StatementSync
}

function openTables(): Tables {
  const database = new Database(':memory:')
  database.exec(`CREATE VIRTUAL TABLE tools USING
    fts5(name, description, service, tags, tokenize = 'porter unicode61')`)
  return {
    database,
    insert: database.prepare('INSERT INTO tools VALUES (?, ?, ?, ?)'),
    remove: database.prepare('DELETE FROM tools WHERE rowid = ?'),
    match: database.prepare(
      `SELECT rowid FROM tools WHERE tools MATCH ?
         ORDER BY bm25(tools, ${WEIGHTS}) LIMIT ${ROWS_MAX}`,
    ),
  }
}

function charsOf({ tools, tags, endpoints }: Descriptor): number {
  const texts = [...tags, ...endpoints, ...tools.flatMap(({ args }) => args ?? [])]
  const ofTools = tools.reduce((sum, { name, description }) => {
    // As it is indexed: one character may stand for eighteen.
    return sum + CHARS_PER_TOOL + name.length + spaced(description).length
  }, 0)
  return CHARS_PER_SERVICE + ofTools + texts.reduce((sum, text) => sum + text.length, 0)
}

function keyOf(peer: PeerId, service: string): string {
  return `${peer}/${service}`
}
