/** Rows of `inbox.sqlite`: a message as its columns, and a filter as a query over them. */

import type { SQLInputValue } from 'node:sqlite'
import { fromUtf8 } from '../base/index.ts'
import { ethAddress, peerId } from '../identity/index.ts'
import {
  type AgentMessage,
  type InboxFilter,
  type Incoming,
  isAddress,
  type Route,
  wayOf,
} from './agent-message.ts'
import type { Row } from './message-file.ts'

const WORDS_MAX = 16
const INDEXED_CHARS_MAX = 65_536

export function columnsOf(message: Incoming, size: number, receivedAt: number): SQLInputValue[] {
  const { id, from, to, body, contentType, conversation, replyTo, sentAt } = message
  const { broadcast, route, hash } = message
  const who = [id, from.peer, from.address?.toLowerCase() ?? null, to, body, size]
  const about = [contentType ?? null, conversation ?? null, replyTo ?? null]
  return [...who, ...about, sentAt, receivedAt, broadcast ? 1 : 0, route, hash]
}

/** Which part of the inbox. */
export interface Place {
  /** Newest first. */
  readonly before?: number | undefined
  /** Oldest first. */
  readonly after?: number | undefined
  /** Up to this one, only those that nobody has read. */
  readonly unreadUpTo?: number | undefined
}

export function queryOf(
  { since, from, conversation, text }: InboxFilter,
  { before, after, unreadUpTo }: Place,
) {
  const terms: [string, SQLInputValue][] = []
  if (since !== undefined) terms.push(['received >= ?', since])
  if (from !== undefined) {
    terms.push([isAddress(from) ? 'address = ?' : 'peer = ?', wayOf(from)])
  }
  if (conversation !== undefined) terms.push(['conversation = ?', conversation])
  if (before !== undefined) terms.push(['n < ?', before])
  if (after !== undefined) terms.push(['n > ?', after])
  if (unreadUpTo !== undefined) terms.push(['(n > ? OR was_read = 0)', unreadUpTo])
  const words = text === undefined ? undefined : matchOf(text)
  if (words === '') terms.push(['n < ?', 0])
  else if (words !== undefined) {
    terms.push(['n IN (SELECT rowid FROM word WHERE word MATCH ?)', words])
  }
  const where = terms.length === 0 ? '' : ` WHERE ${terms.map(([term]) => term).join(' AND ')}`
  const order = after === undefined ? 'DESC' : 'ASC'
  const sql = `SELECT * FROM message${where} ORDER BY n ${order}`
  return { sql, values: terms.map(([, value]) => value) }
}

/** Every word in quotes, so that nothing in it is an operator; empty where there is no word. */
function matchOf(text: string): string {
  const words = text.match(/[\p{L}\p{N}]+/gu) ?? []
  return words
    .slice(0, WORDS_MAX)
    .map((word) => `"${word}"*`)
    .join(' AND ')
}

/** What can be searched of a body: nothing where it is no text. */
export function textOf(body: Uint8Array): string {
  try {
    return fromUtf8(body).slice(0, INDEXED_CHARS_MAX)
  } catch {
    return ''
  }
}

export function messageOf(row: Row): AgentMessage {
  const text = (column: string) => row[column] as string | null
  const count = (column: string) => row[column] as number
  const [address, contentType, conversation, replyTo] = [
    text('address'),
    text('type'),
    text('conversation'),
    text('reply_to'),
  ]
  return {
    id: row.id as string,
    from: {
      peer: peerId(row.peer as string),
      ...(address !== null && { address: ethAddress(address) }),
    },
    to: row.addressed as string,
    body: row.body as Uint8Array,
    ...(contentType !== null && { contentType }),
    ...(conversation !== null && { conversation }),
    ...(replyTo !== null && { replyTo }),
    sentAt: count('sent'),
    receivedAt: count('received'),
    read: count('was_read') === 1,
    broadcast: count('broadcast') === 1,
    route: row.route as Route,
    cursor: count('n'),
  }
}
