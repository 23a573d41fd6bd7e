/**
 * JSON from strangers: size, depth and number of values are checked before anything is parsed.
 *
 * `JSON.parse` takes time in proportion to its input, but a few bytes of text can become a hundred
 * of objects, and depth hurts later code, so one pass over the text counts both first. It jumps
 * over strings, so that a message that is one long text costs no more than finding its end. Keys
 * that name an object's machinery are refused afterwards, when escapes are resolved.
 */

import { WireError } from './errors.ts'

/** A value as `JSON.parse` makes it. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
/** An object as JSON has them; keys of its machinery are never among its own. */
export interface JsonObject {
  readonly [key: string]: Json
}

/** What a text may cost; depth and number of values have limits even when not named. */
export interface JsonLimits {
  readonly bytesMax: number
  readonly depthMax?: number
  readonly valuesMax?: number
}

const DEPTH_MAX = 64
const VALUES_MAX = 1_000_000
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

/** Reads one JSON text; `field` names it in errors. */
export function parseJson(text: string, field: string, limits: JsonLimits): Json {
  const { bytesMax, depthMax = DEPTH_MAX, valuesMax = VALUES_MAX } = limits
  if (text.length > bytesMax) {
    throw WireError.TOO_LONG({ field, size: text.length, limit: bytesMax })
  }
  checkShape(text, field, { depthMax, valuesMax })
  const value = parse(text, field)
  checkKeys(value, field)
  return value
}

/** Tells objects from arrays and null, which `typeof` does not. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a key names an object's own machinery, which none of a stranger may. */
export function isMachineryKey(key: string): boolean {
  return FORBIDDEN.has(key)
}

function parse(text: string, field: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw WireError.MALFORMED({ field, found: text.slice(0, 40) }, cause)
  }
}

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * Counts levels and values by the marks outside strings: a value is the whole text, follows a
 * comma, or is the first in brackets that are not empty.
 */
function checkShape(
  text: string,
  field: string,
  { depthMax, valuesMax }: { depthMax: number; valuesMax: number },
): void {
  let depth = 0
  let values = 1
  for (let at = 0; at < text.length; at += 1) {
    const mark = text.charCodeAt(at)
    if (mark === QUOTE) at = endOfString(text, at)
    else if (mark === COMMA) values += 1
    else if (mark === OPEN_ARRAY || mark === OPEN_OBJECT) {
      depth += 1
      if (!closesNext(text, at)) values += 1
    } else if (mark === CLOSE_ARRAY || mark === CLOSE_OBJECT) depth -= 1
    if (depth > depthMax) {
      throw WireError.MALFORMED({ field, found: `more than ${depthMax} levels` })
    }
    if (values > valuesMax) {
      throw WireError.MALFORMED({ field, found: `more than ${valuesMax} values` })
    }
  }
}

/** The place of the quote that ends the string, or the end of a text that never ends it. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end < 0 ? text.length : end
}

/** A quote is escaped when an odd number of backslashes stands before it. */
function isEscaped(text: string, at: number): boolean {
  let before = at - 1
  while (text.charCodeAt(before) === BACKSLASH) before -= 1
  return (at - before) % 2 === 0
}

/** Whether only spaces stand between the bracket at `open` and its end. */
function closesNext(text: string, open: number): boolean {
  let at = open + 1
  while (text.charCodeAt(at) <= 0x20) at += 1
  const mark = text.charCodeAt(at)
  return mark === CLOSE_ARRAY || mark === CLOSE_OBJECT
}

/** Walks without recursion; the number of values is known to be bounded. */
function checkKeys(root: Json, field: string): void {
  const pending: Json[] = [root]
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (typeof value !== 'object' || value === null) continue
    if (isJsonObject(value)) {
      for (const [key, item] of Object.entries(value)) {
        if (FORBIDDEN.has(key)) throw WireError.MALFORMED({ field, found: `the key ${key}` })
        if (typeof item === 'object') pending.push(item)
      }
    } else {
      for (const item of value) if (typeof item === 'object') pending.push(item)
    }
  }
}
