/**
 * The file `inbox.sqlite`: messages that were taken, their words, and the ids that were seen.
 *
 *   message  n · id · peer · address · addressed · body · size · type · conversation · reply_to ·
 *            sent · received · was_read · broadcast · route · hash
 *   word     the words of a body that is text, without the text itself (FTS5, contentless)
 *   seen     (peer, id) · expires: kept when the message is gone, so that it comes back never
 *
 * It decides nothing: what has room is said by `inbox.ts`, which asks for the sums kept here.
 * Words are written later than their message, many at once, and before anybody looks for one; those
 * that a process took with it are written when the file is opened.
 */

import { type PeerId, peerId } from '../identity/index.ts'
import type { AgentMessage, InboxFilter, Incoming } from './agent-message.ts'
import { columnsOf, messageOf, type Place, queryOf, textOf } from './inbox-rows.ts'
import { SEEN_SCHEMA, SeenIds, UNSEEN_MAX } from './inbox-seen.ts'
import { MessageFile } from './message-file.ts'

export interface Sum {
  readonly messages: number
  readonly bytes: number
  /** Ids that are remembered. */
  readonly seen: number
}

/** Besides its body: keys, columns, words, index entries. */
export const ROW_BYTES = 512
/** So many messages, or characters of them, wait for their words to be written. */
const WORDLESS_MAX = 128
const WORDLESS_CHARS_MAX = 524_288
/** Whom we wrote to is remembered: so many names, the newest. */
const KNOWN_MAX = 10_000
const FORMAT = 1

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS message (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, peer TEXT NOT NULL, address TEXT,
    addressed TEXT NOT NULL, body BLOB NOT NULL, size INTEGER NOT NULL, type TEXT,
    conversation TEXT, reply_to TEXT, sent INTEGER NOT NULL, received INTEGER NOT NULL,
    was_read INTEGER NOT NULL, broadcast INTEGER NOT NULL, route TEXT NOT NULL, hash BLOB NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS message_id ON message (id);
  CREATE INDEX IF NOT EXISTS message_peer ON message (peer);
  CREATE INDEX IF NOT EXISTS message_address ON message (address) WHERE address IS NOT NULL;
  CREATE INDEX IF NOT EXISTS message_spare ON message (was_read, broadcast);
  CREATE VIRTUAL TABLE IF NOT EXISTS word USING
    fts5(text, content = '', contentless_delete = 1, tokenize = 'unicode61');
  ${SEEN_SCHEMA};
  CREATE TABLE IF NOT EXISTS known (
    name TEXT PRIMARY KEY, since INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`

const SQL = {
  last: "SELECT seq FROM sqlite_sequence WHERE name = 'message'",
  insert: `INSERT INTO message (n, id, peer, address, addressed, body, size, type, conversation,
             reply_to, sent, received, was_read, broadcast, route, hash)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`,
  wordless: `SELECT n, body FROM message
             WHERE n > (SELECT COALESCE(MAX(id), 0) FROM word_docsize) ORDER BY n`,
  word: 'INSERT OR REPLACE INTO word (rowid, text) VALUES (?, ?)',
  unword: 'DELETE FROM word WHERE rowid = ?',
  remove: 'DELETE FROM message WHERE n = ?',
  byId: 'SELECT * FROM message WHERE id = ? ORDER BY n',
  read: 'UPDATE message SET was_read = 1 WHERE n = ?',
  sums: 'SELECT peer, COUNT(*) AS messages, SUM(size) AS bytes FROM message GROUP BY peer',
  known: 'SELECT name FROM known ORDER BY since',
  know: 'INSERT OR REPLACE INTO known VALUES (?, ?)',
  unknow: 'DELETE FROM known WHERE name = ?',
  seenSums: 'SELECT peer, COUNT(*) AS seen FROM seen GROUP BY peer',
} as const

/** Whose: of one sender, or of all that were never written to. */
export type Owners = PeerId | 'strangers'

const NOTHING: Sum = { messages: 0, bytes: 0, seen: 0 }

/** The one that is missed least: read and oldest, else oldest of what was said to everybody. */
const SPARE = {
  read: 'SELECT n, peer, size FROM message WHERE was_read = 1',
  broadcast: 'SELECT n, peer, size FROM message WHERE broadcast = 1',
} as const

export class InboxStore {
  readonly #file: MessageFile
  readonly #ofSender = new Map<PeerId, Sum>()
  #all = NOTHING
  #strangers = NOTHING
  /** Addresses in lower case and peers that were written to, the one known longest first. */
  readonly #known = new Set<string>()
  #last: number
  readonly #seen: SeenIds
  readonly #wordless = new Map<number, string>()
  #wordlessChars = 0

  /** Opens or makes `file`; `:memory:` keeps everything in memory. */
  constructor(file: string) {
    this.#file = new MessageFile(file, { schema: SCHEMA, format: FORMAT })
    this.#seen = new SeenIds(this.#file)
    for (const { name } of this.#file.all(SQL.known)) this.#known.add(name as string)
    this.#measure()
    this.#last = Number(this.#file.one(SQL.last)?.seq ?? 0)
  }

  /** Resolves when all that was added is in the file; rejects with why it is not. */
  async written(): Promise<void> {
    try {
      await this.#file.written
    } catch (error) {
      this.#measure()
      throw error
    }
  }

  /** Has it in the file now, or throws why not. */
  flush(): void {
    try {
      this.#file.flush()
    } catch (error) {
      this.#measure()
      throw error
    }
  }

  get all(): Sum {
    return this.#all
  }

  of(owners: Owners): Sum {
    if (owners === 'strangers') return this.#strangers
    return this.#ofSender.get(owners) ?? NOTHING
  }

  /** Whoever this is, a peer or an address in lower case, is no stranger any more. */
  know(name: string, nowMs: number): void {
    if (this.#known.has(name)) return
    const [first = ''] = this.#known
    if (this.#known.size >= KNOWN_MAX) {
      this.#strangers = plus(this.#strangers, this.of(first as PeerId))
      this.#known.delete(first)
      this.#file.soon(SQL.unknow, first)
    }
    this.#known.add(name)
    this.#strangers = plus(this.#strangers, this.of(name as PeerId), -1)
    this.#file.soon(SQL.know, name, nowMs)
  }

  /** Whether a sender is no stranger, itself or by its address. */
  isKnown({ peer, address }: AgentMessage['from'], nowMs: number): boolean {
    if (this.#known.has(peer)) return true
    const isKnown = address !== undefined && this.#known.has(address.toLowerCase())
    if (isKnown) this.know(peer, nowMs)
    return isKnown
  }

  isSeen(peer: PeerId, id: string): boolean {
    return this.#seen.has(peer, id)
  }

  /**
   * Keeps the message and that it was seen, until `seenUntilMs`; both or neither, and certain when
   * it is `written`.
   */
  add(message: Incoming, receivedAt: number, seenUntilMs: number): AgentMessage {
    const { id, from, body } = message
    const size = body.length + ROW_BYTES
    this.#last += 1
    const cursor = this.#last
    this.#file.soon(SQL.insert, cursor, ...columnsOf(message, size, receivedAt))
    this.#seen.add({ peer: from.peer, id, untilMs: seenUntilMs })
    this.#addWords(cursor, textOf(body))
    this.#grow(from.peer, { messages: 1, bytes: size, seen: 1 })
    const { expiresAt, hash, ...said } = message
    return { ...said, receivedAt, read: false, cursor }
  }

  /** Removes what is missed least, of one sender or of all; false when there is none. */
  dropSpare(kind: keyof typeof SPARE, owners?: Owners): boolean {
    const isOne = owners !== undefined && owners !== 'strangers'
    const rest = isOne ? [owners] : []
    const ofStrangers = owners === undefined ? '' : ' AND peer NOT IN (SELECT name FROM known)'
    const where = isOne ? ' AND peer = ?' : ofStrangers
    const row = this.#file.one(`${SPARE[kind]}${where} ORDER BY n LIMIT 1`, ...rest)
    if (row === undefined) return false
    const { n, peer: of, size } = row as { n: number; peer: string; size: number }
    // A message that goes is no memory of itself any more.
    if (n > this.#last - UNSEEN_MAX) this.#seen.write()
    if (!this.#wordless.delete(n)) this.#file.soon(SQL.unword, n)
    this.#file.soon(SQL.remove, n)
    this.#grow(peerId(of), { messages: -1, bytes: -size, seen: 0 })
    return true
  }

  /** Ids of messages that are too old to come again. */
  forget(nowMs: number): void {
    for (const peer of this.#seen.forget(nowMs)) {
      this.#grow(peer, { messages: 0, bytes: 0, seen: -1 })
    }
  }

  /** Newest first and before a cursor, or oldest first and after one. */
  *find(filter: InboxFilter, place: Place): Iterable<AgentMessage> {
    if (filter.text !== undefined) this.#writeWords()
    const { sql, values } = queryOf(filter, place)
    for (const row of this.#file.each(sql, ...values)) yield messageOf(row)
  }

  first(filter: InboxFilter, place: Place): AgentMessage | undefined {
    for (const message of this.find(filter, place)) return message
    return undefined
  }

  /** Those of this id: one, unless another sender took the id of somebody else. */
  byId(id: string): readonly (AgentMessage & { readonly hash: Uint8Array })[] {
    return this.#file.all(SQL.byId, id).map((row) => ({
      ...messageOf(row),
      hash: row.hash as Uint8Array,
    }))
  }

  markRead(cursor: number): void {
    this.#file.run(SQL.read, cursor)
  }

  close(): void {
    if (this.#file.isOpen) this.#seen.write()
    this.#file.close()
  }

  /** Also of a body without any: the last number with words says where those of the next begin. */
  #addWords(n: number, text: string): void {
    this.#wordless.set(n, text)
    this.#wordlessChars += text.length
    const isMuch = this.#wordlessChars >= WORDLESS_CHARS_MAX
    if (this.#wordless.size >= WORDLESS_MAX || isMuch) this.#writeWords()
  }

  /** With or after their messages, as the file takes writes in the order in which they come. */
  #writeWords(): void {
    for (const [n, text] of this.#wordless) this.#file.soon(SQL.word, n, text)
    this.#wordless.clear()
    this.#wordlessChars = 0
  }

  /** What the file holds, when it is opened or did not take what it was given. */
  #measure(): void {
    const rows = [...this.#file.all(SQL.sums), ...this.#file.all(SQL.seenSums)]
    this.#ofSender.clear()
    this.#all = NOTHING
    this.#strangers = NOTHING
    for (const row of rows) {
      const { messages = 0, bytes = 0, seen = 0 } = row as Partial<Record<keyof Sum, number>>
      this.#grow(peerId(row.peer as string), { messages, bytes, seen })
    }
    for (const peer of this.#seen.recover()) this.#grow(peer, { messages: 0, bytes: 0, seen: 1 })
    this.#wordless.clear()
    for (const { n, body } of this.#file.all(SQL.wordless)) {
      this.#addWords(n as number, textOf(body as Uint8Array))
    }
  }

  #grow(peer: PeerId, by: Sum): void {
    this.#all = plus(this.#all, by)
    if (!this.#known.has(peer)) this.#strangers = plus(this.#strangers, by)
    const sum = plus(this.of(peer), by)
    if (sum.messages === 0 && sum.seen === 0) this.#ofSender.delete(peer)
    else this.#ofSender.set(peer, sum)
  }
}

function plus(a: Sum, b: Sum, times = 1): Sum {
  return {
    messages: a.messages + times * b.messages,
    bytes: a.bytes + times * b.bytes,
    seen: a.seen + times * b.seen,
  }
}
