/** Reads the fields of a descriptor: each within its limits, or the descriptor is refused. */

import { type PeerId, peerId } from '../identity/index.ts'
import type { Json, JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'

/** How many tools one service may have; `services.ts` lists no more of its own. */
export const DESCRIPTOR_TOOLS_MAX = 512
export const DESCRIPTION_CHARS_MAX = 512
export const TAGS_MAX = 16
export const ENDPOINTS_MAX = 8
const ENDPOINT_CHARS_MAX = 256
const SERVICE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
const TAG = /^[a-z0-9][a-z0-9-]{0,31}$/
/** What MCP recommends for names (SEP-986), with the slash that some servers use. */
const TOOL_NAME = /^[A-Za-z0-9_./-]{1,128}$/
const VERSION = /^[A-Za-z0-9.+-]{1,64}$/
const HASH = /^[0-9a-f]{64}$/

/** How many there are, and the names of the first of them. */
export interface Listed {
  readonly count: number
  readonly names: readonly string[]
}

export const NONE_LISTED: Listed = { count: 0, names: [] }

/** What there may be of a kind; more are not counted. */
export const LISTED_COUNT_MAX = 100_000
export const LISTED_NAMES_MAX = 16
export const LISTED_NAME_CHARS_MAX = 64

export function isServiceName(text: string): boolean {
  return SERVICE_NAME.test(text)
}

export function isTag(text: string): boolean {
  return TAG.test(text)
}

export function isToolName(name: string): boolean {
  return TOOL_NAME.test(name)
}

export function isEndpoint(address: string): boolean {
  return address.length <= ENDPOINT_CHARS_MAX && /^\/[\x21-\x7e]+$/.test(address)
}

/** The fields that every version has. */
export function commonIn(fields: JsonObject) {
  return {
    service: textIn(fields, 'service', isServiceName),
    peer: peerIn(fields),
    version: textIn(fields, 'version', (value) => VERSION.test(value)),
    toolCount: countIn(fields, 'toolCount', DESCRIPTOR_TOOLS_MAX),
    schemaHash: textIn(fields, 'schemaHash', (value) => HASH.test(value)),
    endpoints: listIn(fields, 'endpoints', ENDPOINTS_MAX).map((value) => {
      if (typeof value === 'string' && isEndpoint(value)) return value
      throw invalid(`endpoint ${shown(value)}`)
    }),
  }
}

/** All the tools are listed, or none. */
export function checkToolCount(tools: readonly unknown[], toolCount: number): void {
  if (tools.length === 0 || tools.length === toolCount) return
  throw invalid(`${tools.length} tools where ${toolCount} are counted`)
}

export function descriptionIn(value: Json | undefined): string {
  if (typeof value === 'string' && value.length <= DESCRIPTION_CHARS_MAX) return value
  throw invalid(`description ${shown(value)}`)
}

export function textIn(
  fields: JsonObject,
  key: string,
  isSound: (value: string) => boolean,
): string {
  const value = fields[key]
  if (typeof value === 'string' && isSound(value)) return value
  throw invalid(`${key} ${shown(value)}`)
}

export function listIn(fields: JsonObject, key: string, max: number): readonly Json[] {
  return asList(fields[key], key, max)
}

export function asList(value: Json | undefined, key: string, max: number): readonly Json[] {
  if (!Array.isArray(value)) throw invalid(`${key} that is no list`)
  if (value.length > max) throw invalid(`${value.length} ${key}, at most ${max}`)
  return value as readonly Json[]
}

/** A whole number from 0 to `max`. */
export function countIn(fields: JsonObject, key: string, max: number): number {
  return asCount(fields[key], key, max)
}

/** The same, or null where the field is null. */
export function countOrNullIn(fields: JsonObject, key: string, max: number): number | null {
  return fields[key] === null ? null : countIn(fields, key, max)
}

export function peerIn(fields: JsonObject): PeerId {
  const found = textIn(fields, 'peer', (value) => value.length <= 128)
  try {
    return peerId(found)
  } catch (cause) {
    throw invalid(`peer "${found}"`, cause)
  }
}

export function listedIn(fields: JsonObject, key: string): Listed {
  const [count, names, ...rest] = asList(fields[key], key, 2)
  if (rest.length > 0) throw invalid(`${key} with more than a count and names`)
  const listed = asList(names, `names of ${key}`, LISTED_NAMES_MAX).map((name) => {
    if (typeof name === 'string' && name.length <= LISTED_NAME_CHARS_MAX) return name
    throw invalid(`a name in ${key} of ${shown(name)}`)
  })
  return { count: asCount(count, key, LISTED_COUNT_MAX), names: listed }
}

export function asCount(value: Json | undefined, key: string, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) {
    // JSON knows a negative zero, which is written otherwise.
    return value + 0
  }
  throw invalid(`${key} ${shown(value)}`)
}

export function shown(value: Json | undefined): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 80)
}

export function invalid(found: string, cause?: unknown) {
  return McpError.DESCRIPTOR_INVALID({ found }, cause)
}
