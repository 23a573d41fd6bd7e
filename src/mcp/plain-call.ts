/** What a plain call and a plain answer are, for both ends of a stream. Pure. */

import { isJsonObject, type JsonObject } from '../wire/index.ts'
import { CHAIN_META, CORRELATION_META, GRANT_META, KEY_META, TIMEOUT_META } from './protocol.ts'

/** Differs from call to call, and is ours to read. */
const OWN_META = new Set([CHAIN_META, CORRELATION_META, GRANT_META, KEY_META, TIMEOUT_META])

/** What of `_meta` is the same in each call of a usual client. */
export function withoutOwnMeta(meta: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !OWN_META.has(key)))
}

export function hasOnly(keys: ReadonlySet<string>, value: object): boolean {
  for (const key in value) if (!keys.has(key)) return false
  return true
}

/** A block of content that is text, with nothing beside it. */
export function isText(block: unknown): boolean {
  if (!isJsonObject(block) || Object.keys(block).length !== 2) return false
  return block.type === 'text' && typeof block.text === 'string'
}
