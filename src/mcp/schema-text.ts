/**
 * The JSON Schema of a stranger's tool, made safe to show: a model reads all of it, so no text in
 * it may hide anything, be it a title, a name of a property or a value of an enum.
 *
 * A value is cleaned as well, although it decides: one that hides characters could not be told from
 * one that does not, and is better not given. Schemas that nest too deep or hold too much are none.
 */

import { isJsonObject, isMachineryKey, type Json, type JsonObject } from '../wire/index.ts'
import { cleanText } from './clean-text.ts'

const SCHEMA_CHARS_MAX = 64 * 1_024
const DEPTH_MAX = 32
const VALUES_MAX = 4_096
/** What a reader is shown as a sentence; other texts are bounded by the whole schema. */
const SENTENCES: ReadonlySet<string> = new Set(['description', 'title', '$comment'])
const SENTENCE_CHARS_MAX = 4_096

/** The schema without hidden text; `undefined` when it is none, or more than a reader can use. */
export function readSchema(raw: Json | undefined): JsonObject | undefined {
  if (raw === undefined || !isJsonObject(raw)) return undefined
  if (JSON.stringify(raw).length > SCHEMA_CHARS_MAX) return undefined
  const left = { values: VALUES_MAX }
  const cleaned = clean(raw, { depth: 0, charsMax: SCHEMA_CHARS_MAX }, left)
  return left.values >= 0 && isJsonObject(cleaned) ? cleaned : undefined
}

interface Place {
  readonly depth: number
  readonly charsMax: number
}

function clean(value: Json, place: Place, left: { values: number }): Json {
  left.values -= place.depth > DEPTH_MAX ? VALUES_MAX + 1 : 1
  if (left.values < 0) return null
  if (typeof value === 'string') return cleanText(value, place.charsMax)
  const inside = { depth: place.depth + 1, charsMax: SCHEMA_CHARS_MAX }
  if (Array.isArray(value)) return value.map((item: Json) => clean(item, inside, left))
  if (!isJsonObject(value)) return value
  const entries = Object.entries(value).map(([key, item]): [string, Json] => {
    const charsMax = SENTENCES.has(key) ? SENTENCE_CHARS_MAX : SCHEMA_CHARS_MAX
    const shown = cleanText(key, SCHEMA_CHARS_MAX)
    // The parser refused such names; one that hid a character in it is met here.
    if (isMachineryKey(shown)) left.values = -1
    return [shown, clean(item, { ...inside, charsMax }, left)]
  })
  return Object.fromEntries(entries)
}
