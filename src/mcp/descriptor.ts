/**
 * The descriptor: what one peer says of one of its services, as it stands in the DHT under
 * `/mcp/<service>/<peerId>`. The record around it carries the signature.
 *
 * UTF-8 JSON of at most 8 KiB, without white space, with the keys in exactly this order:
 *
 *   v           1
 *   service     the service's name
 *   peer        who offers it; must be who signed the record
 *   version     of the peer's software: letters, digits, `.`, `+`, `-`; at most 64
 *   tools       at most 512 of {name, description, idempotent, readOnly}, or none when they do
 *               not fit: then they are only counted, and a reader asks the peer for the list
 *   toolCount   how many tools there are; zero says that the service was withdrawn
 *   schemaHash  SHA-256 of the whole tool list with its schemas, in hex
 *   endpoints   at most 8 multiaddrs of the peer
 *
 * Anything else, even the same values written otherwise, is refused: there is one form only.
 */

import { createHash } from 'node:crypto'
import { equalBytes, fromUtf8, hasCode, utf8 } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { isJsonObject, type Json, type JsonObject, parseJson } from '../wire/index.ts'
import { cleanText } from './clean-text.ts'
import { McpError } from './errors.ts'
import type { ToolInfo } from './tool.ts'

export const DESCRIPTOR_BYTES_MAX = 8 * 1024
/** How many tools one service may have; `services.ts` lists no more of its own. */
export const DESCRIPTOR_TOOLS_MAX = 512
const ENDPOINTS_MAX = 8
const ENDPOINT_CHARS_MAX = 256
const DEPTH_MAX = 4
const VALUES_MAX = 5 * DESCRIPTOR_TOOLS_MAX + 32
const SERVICE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
/** What MCP recommends for names (SEP-986), with the slash that some servers use. */
const TOOL_NAME = /^[A-Za-z0-9_./-]{1,128}$/
const VERSION = /^[A-Za-z0-9.+-]{1,64}$/
const HASH = /^[0-9a-f]{64}$/
/** Descriptions are cut to these lengths, one after the other, until everything fits. */
const DESCRIPTION_CHARS = [512, 256, 128, 64, 0] as const

export interface DescribedTool {
  readonly name: string
  readonly description: string
  readonly idempotent: boolean
  readonly readOnly: boolean
}

export interface Descriptor {
  readonly service: string
  readonly peer: PeerId
  readonly version: string
  readonly tools: readonly DescribedTool[]
  readonly toolCount: number
  readonly schemaHash: string
  readonly endpoints: readonly string[]
}

/** What a descriptor is made from: the same, with the tools as the service lists them. */
export type Described = Pick<Descriptor, 'service' | 'peer' | 'version' | 'endpoints'> & {
  readonly tools: readonly ToolInfo[]
}

export function isServiceName(text: string): boolean {
  return SERVICE_NAME.test(text)
}

/** Says as much of a service as fits into one record. */
export function describe({ tools, ...head }: Described): Descriptor {
  const listed = tools.filter(({ name }) => isToolName(name)).slice(0, DESCRIPTOR_TOOLS_MAX)
  const endpoints = head.endpoints.filter(isEndpoint).slice(0, ENDPOINTS_MAX)
  const counts = { toolCount: listed.length, schemaHash: hashOfTools(listed) }
  for (const charsMax of DESCRIPTION_CHARS) {
    const fitted = listed.map((tool) => shorten(tool, charsMax))
    const descriptor = { ...head, tools: fitted, ...counts, endpoints }
    if (toBytes(descriptor).length <= DESCRIPTOR_BYTES_MAX) return descriptor
  }
  return { ...head, tools: [], ...counts, endpoints }
}

export function encodeDescriptor(descriptor: Descriptor): Uint8Array {
  const bytes = toBytes(descriptor)
  if (bytes.length > DESCRIPTOR_BYTES_MAX) {
    throw invalid(`${bytes.length} bytes, at most ${DESCRIPTOR_BYTES_MAX}`)
  }
  return bytes
}

/** Reads a descriptor whole or not at all; its texts come out cleaned. */
export function decodeDescriptor(bytes: Uint8Array): Descriptor {
  if (bytes.length > DESCRIPTOR_BYTES_MAX) throw invalid(`${bytes.length} bytes`)
  const fields = parseObject(bytes)
  const { v } = fields
  if (v !== 1) throw invalid(`v ${shown(v)}`)
  const descriptor: Descriptor = {
    service: text(fields, 'service', isServiceName),
    peer: readPeer(fields),
    version: text(fields, 'version', (value) => VERSION.test(value)),
    tools: list(fields, 'tools', DESCRIPTOR_TOOLS_MAX).map(readTool),
    toolCount: readCount(fields),
    schemaHash: text(fields, 'schemaHash', (value) => HASH.test(value)),
    endpoints: list(fields, 'endpoints', ENDPOINTS_MAX).map(readEndpoint),
  }
  const { tools, toolCount } = descriptor
  if (tools.length !== 0 && tools.length !== toolCount) {
    throw invalid(`${tools.length} tools where ${toolCount} are counted`)
  }
  if (!equalBytes(toBytes(descriptor), bytes)) throw invalid('another form than the canonical one')
  return cleaned(descriptor)
}

/** The same tools with the same schemas have the same hash, in whatever order they are listed. */
export function hashOfTools(tools: readonly ToolInfo[]): string {
  const sorted = tools.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return createHash('sha256').update(canonicalJson(sorted)).digest('hex')
}

function toBytes(descriptor: Descriptor): Uint8Array {
  const { service, peer, version, toolCount, schemaHash, endpoints } = descriptor
  const tools = descriptor.tools.map(({ name, description, idempotent, readOnly }) => {
    return { name, description, idempotent, readOnly }
  })
  const ordered = { v: 1, service, peer, version, tools, toolCount, schemaHash, endpoints }
  return utf8(JSON.stringify(ordered))
}

function shorten({ name, description, idempotent, readOnly }: ToolInfo, charsMax: number) {
  return { name, description: cleanText(description, charsMax), idempotent, readOnly }
}

function cleaned(descriptor: Descriptor): Descriptor {
  const tools = descriptor.tools.map((tool) => {
    return { ...tool, description: cleanText(tool.description, DESCRIPTION_CHARS[0]) }
  })
  return { ...descriptor, tools }
}

function parseObject(bytes: Uint8Array): JsonObject {
  const limits = { bytesMax: DESCRIPTOR_BYTES_MAX, depthMax: DEPTH_MAX, valuesMax: VALUES_MAX }
  try {
    const value = parseJson(fromUtf8(bytes), 'descriptor', limits)
    if (isJsonObject(value)) return value
  } catch (cause) {
    if (cause instanceof TypeError || hasCode(cause, 'WIRE_MALFORMED', 'WIRE_TOO_LONG')) {
      throw invalid(cause.message, cause)
    }
    throw cause
  }
  throw invalid('something else than an object')
}

function readTool(value: Json): DescribedTool {
  if (!isJsonObject(value)) throw invalid('a tool that is no object')
  const name = text(value, 'name', isToolName)
  const description = text(value, 'description', (found) => found.length <= DESCRIPTION_CHARS[0])
  const { idempotent, readOnly } = value
  if (typeof idempotent !== 'boolean' || typeof readOnly !== 'boolean') {
    throw invalid(`hints of the tool "${name}" that are no booleans`)
  }
  return { name, description, idempotent, readOnly }
}

function readPeer(fields: JsonObject): PeerId {
  const found = text(fields, 'peer', (value) => value.length <= 128)
  try {
    return peerId(found)
  } catch (cause) {
    throw invalid(`peer "${found}"`, cause)
  }
}

function readCount({ toolCount }: JsonObject): number {
  if (typeof toolCount === 'number' && Number.isInteger(toolCount)) {
    if (toolCount >= 0 && toolCount <= DESCRIPTOR_TOOLS_MAX) return toolCount
  }
  throw invalid(`toolCount ${shown(toolCount)}`)
}

function readEndpoint(value: Json): string {
  if (typeof value === 'string' && isEndpoint(value)) return value
  throw invalid(`endpoint ${shown(value)}`)
}

function text(fields: JsonObject, key: string, isSound: (value: string) => boolean): string {
  const value = fields[key]
  if (typeof value === 'string' && isSound(value)) return value
  throw invalid(`${key} ${shown(value)}`)
}

function list(fields: JsonObject, key: string, max: number): readonly Json[] {
  const value = fields[key]
  if (!Array.isArray(value)) throw invalid(`${key} that is no list`)
  if (value.length > max) throw invalid(`${value.length} ${key}, at most ${max}`)
  return value as readonly Json[]
}

function isToolName(name: string): boolean {
  return TOOL_NAME.test(name)
}

function isEndpoint(address: string): boolean {
  return address.length <= ENDPOINT_CHARS_MAX && /^\/[\x21-\x7e]+$/.test(address)
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    return isJsonObject(item) ? Object.fromEntries(Object.entries(item).sort(byKey)) : item
  })
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}

function shown(value: Json | undefined): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 80)
}

function invalid(found: string, cause?: unknown) {
  return McpError.DESCRIPTOR_INVALID({ found }, cause)
}
