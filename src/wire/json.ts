/**
 * JSON from strangers: size, depth and number of values are checked before anything trusts it.
 *
 * `JSON.parse` is linear and safe for memory in proportion to its input; what hurts is what later
 * code does with depth and with keys that name an object's machinery, so both are refused here.
 */

import { WireError } from './errors.ts'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

export interface JsonLimits {
  readonly bytesMax: number
  readonly depthMax?: number
  readonly valuesMax?: number
}

const DEPTH_MAX = 64
const VALUES_MAX = 1_000_000
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

export function parseJson(text: string, field: string, limits: JsonLimits): Json {
  const { bytesMax, depthMax = DEPTH_MAX, valuesMax = VALUES_MAX } = limits
  if (text.length > bytesMax) {
    throw WireError.TOO_LONG({ field, size: text.length, limit: bytesMax })
  }
  checkDepth(text, field, depthMax)
  const value = parse(text, field)
  check(value, field, valuesMax)
  return value
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parse(text: string, field: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw WireError.MALFORMED({ field, found: text.slice(0, 40) }, cause)
  }
}

/** Counts open brackets outside strings, so that a bomb is refused before it is parsed. */
function checkDepth(text: string, field: string, depthMax: number): void {
  let depth = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === '[' || token === '{') depth += 1
    else if (token === ']' || token === '}') depth -= 1
    if (depth > depthMax) {
      throw WireError.MALFORMED({ field, found: `more than ${depthMax} levels` })
    }
  }
}

/** Walks without recursion; the depth is known to be bounded, the number of values is not yet. */
function check(root: Json, field: string, valuesMax: number): void {
  const pending: Json[] = [root]
  let seen = 0
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    seen += 1
    if (seen > valuesMax) {
      throw WireError.MALFORMED({ field, found: `more than ${valuesMax} values` })
    }
    if (typeof value !== 'object' || value === null) continue
    if (!isJsonObject(value)) pending.push(...value)
    else {
      for (const [key, item] of Object.entries(value)) {
        if (FORBIDDEN.has(key)) throw WireError.MALFORMED({ field, found: `the key ${key}` })
        pending.push(item)
      }
    }
  }
}
