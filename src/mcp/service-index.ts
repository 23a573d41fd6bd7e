/**
 * The names under which services stand in the DHT, and the index of one peer's services.
 *
 * Kademlia finds exact keys only. Provider records under `mcp:service:<name>`, `mcp:tool:<name>`,
 * `mcp:tag:<tag>` and `mcp:any` say which peers to look at; the index says what a peer has, so that
 * one read tells which descriptors are worth reading, and holds those that fit into it.
 *
 * The index is UTF-8 JSON without white space, keys in this order, at most 8 KiB:
 *
 *   v         2
 *   peer      who offers the services; must be who signed the record
 *   services  at most 32, sorted by name, each once: a descriptor as it is, or
 *             [name, hash, tags, marks]
 *
 * hash: `contentHash` of the descriptor. tags: its tags, or null where they did not fit. marks:
 * four characters of base64url for each tool, of the SHA-256 of its name, sorted; null where they
 * did not fit, or the descriptor has no tools in it. Version 1, which is still read, has names
 * alone.
 */

import { createHash } from 'node:crypto'
import { equalBytes, fromUtf8, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { isJsonObject, type Json, type JsonObject, parseJson } from '../wire/index.ts'
import {
  type Descriptor,
  decodeDescriptor,
  encodeDescriptor,
  isServiceName,
  isTag,
} from './descriptor.ts'
import { DESCRIPTOR_TOOLS_MAX, TAGS_MAX } from './descriptor-fields.ts'
import { McpError } from './errors.ts'

export const SERVICES_MAX = 32
const INDEX_BYTES_MAX = 8 * 1024
/**
 * With its signature, work and key a record of so much goes in one datagram each way; a larger one
 * takes a connection with each who holds it, and is filled.
 */
const PACKET_BYTES_MAX = 800
/** A descriptor's own, in a list, in an object. */
const DEPTH_MAX = 8
/** In the place of a service's name; no service can be published under it. */
export const INDEX_NAME = '0-index'

/** The service that every node has: it need not be published, and is no secret. */
export const WELL_KNOWN_SERVICE = 'node'

export const ANY_SERVICE = 'mcp:any'

export function serviceProvider(service: string): string {
  return `mcp:service:${service}`
}

export function toolProvider(tool: string): string {
  return `mcp:tool:${tool}`
}

export function tagProvider(tag: string): string {
  return `mcp:tag:${tag}`
}

/** Where a service's descriptor stands; `INDEX_NAME` instead of a service gives the index. */
export function descriptorKey(service: string, peer: PeerId): string {
  return `/mcp/${service}/${peer}`
}

/** What an index says of one service. */
export interface IndexEntry {
  readonly service: string
  /** Null in version 1. */
  readonly hash: string | null
  readonly tags: readonly string[] | null
  readonly marks: string | null
  /** Where it had room in the index. */
  readonly whole: Descriptor | null
}

/** The same until the service changes: when it expires, and how busy its peer is, is left out. */
export function contentHash(descriptor: Descriptor): string {
  const known = hashes.get(descriptor)
  if (known !== undefined) return known
  const said = encodeDescriptor({ ...descriptor, expires: 0, load: null })
  const hash = createHash('sha256').update(said).digest('base64url').slice(0, HASH_CHARS)
  hashes.set(descriptor, hash)
  return hash
}

/** A search looks at the same descriptors again and again. */
const hashes = new WeakMap<Descriptor, string>()

/** Whether the descriptor may have what is looked for, as far as the index says. */
export function mayHave(
  { tags, marks }: Pick<IndexEntry, 'tags' | 'marks'>,
  { tag, tool }: { readonly tag?: string; readonly tool?: string },
): boolean {
  if (tag !== undefined && tags !== null && !tags.includes(tag)) return false
  return tool === undefined || marks === null || marksIn(marks).includes(markOf(tool))
}

/**
 * As much of the descriptors as fits: what each has, then the smallest of them whole. What goes in
 * one packet stays within it.
 */
export function encodeIndex(peer: PeerId, descriptors: readonly Descriptor[]): Uint8Array {
  const byName = new Map(descriptors.map((descriptor) => [descriptor.service, descriptor]))
  const sorted = [...byName.values()]
    .toSorted((a, b) => (a.service < b.service ? -1 : 1))
    .slice(0, SERVICES_MAX)
  const steps = [headOf, (one: Descriptor) => headOf(one).with(3, null), bareHeadOf]
  const heads = steps
    .map((step) => sorted.map((one) => JSON.stringify(step(one))))
    .find((texts) => toBytes(peer, texts).length <= INDEX_BYTES_MAX)
  const texts = heads ?? []
  const wholes = sorted.map((one, at) => ({ at, text: fromUtf8(encodeDescriptor(one)) }))
  let size = toBytes(peer, texts).length
  const sizeMax = size <= PACKET_BYTES_MAX ? PACKET_BYTES_MAX : INDEX_BYTES_MAX
  for (const { at, text } of wholes.toSorted((a, b) => a.text.length - b.text.length)) {
    const grown = size + utf8(text).length - utf8(texts[at] ?? '').length
    if (grown > sizeMax) break
    texts[at] = text
    size = grown
  }
  return toBytes(peer, texts)
}

/** The services that `peer` says it has; anything but the canonical form is refused. */
export function decodeIndex(bytes: Uint8Array, peer: PeerId): readonly IndexEntry[] {
  if (bytes.length > INDEX_BYTES_MAX) throw invalid(`${bytes.length} bytes`)
  const { v, services } = parseIndex(bytes)
  if (!Array.isArray(services)) throw invalid('no list of services')
  if (services.length > SERVICES_MAX) throw invalid(`${services.length} services`)
  const list = services as readonly Json[]
  const entries = list.map((each) => (v === 1 ? nameIn(each) : entryIn(each, peer)))
  const names = entries.map(({ service }) => service)
  const isSorted = names.every((name, at) => at === 0 || (names[at - 1] ?? '') < name)
  if (!isSorted || !equalBytes(utf8(JSON.stringify({ v, peer, services: list })), bytes)) {
    throw invalid('another form than the canonical one')
  }
  return entries
}

const HASH_CHARS = 22
const HASH = /^[A-Za-z0-9_-]{22}$/
const MARK_CHARS = 4
const MARKS = /^(?:[A-Za-z0-9_-]{4})*$/

type Head = [name: string, hash: string, tags: readonly string[] | null, marks: string | null]

function headOf(descriptor: Descriptor): Head {
  const { service, tags, tools, toolCount } = descriptor
  const marks = [...new Set(tools.map(({ name }) => markOf(name)))].sort().join('')
  const isSaid = tools.length === toolCount
  return [service, contentHash(descriptor), tags, isSaid ? marks : null]
}

function bareHeadOf(descriptor: Descriptor): Head {
  return [descriptor.service, contentHash(descriptor), null, null]
}

/** Two tools may have one: it says where to look, not what is there. */
function markOf(tool: string): string {
  return createHash('sha256').update(tool).digest('base64url').slice(0, MARK_CHARS)
}

function marksIn(marks: string): readonly string[] {
  return Array.from({ length: marks.length / MARK_CHARS }, (_, at) => {
    return marks.slice(at * MARK_CHARS, (at + 1) * MARK_CHARS)
  })
}

function toBytes(peer: PeerId, services: readonly string[]): Uint8Array {
  return utf8(`{"v":2,"peer":${JSON.stringify(peer)},"services":[${services.join(',')}]}`)
}

function parseIndex(bytes: Uint8Array): JsonObject {
  try {
    const limits = { bytesMax: INDEX_BYTES_MAX, depthMax: DEPTH_MAX, valuesMax: INDEX_BYTES_MAX }
    const value = parseJson(fromUtf8(bytes), 'index', limits)
    if (isJsonObject(value) && (value.v === 1 || value.v === 2)) return value
  } catch (cause) {
    throw invalid('no JSON within the limits', cause)
  }
  throw invalid('a version that is not ours')
}

function nameIn(value: Json): IndexEntry {
  if (typeof value !== 'string' || !isServiceName(value)) throw invalid('a name that is none')
  return { service: value, hash: null, tags: null, marks: null, whole: null }
}

function entryIn(value: Json, peer: PeerId): IndexEntry {
  if (isJsonObject(value)) {
    const whole = decodeDescriptor(utf8(JSON.stringify(value)))
    if (whole.peer !== peer) throw invalid(`a descriptor of ${whole.peer}`)
    return { service: whole.service, hash: null, tags: whole.tags, marks: null, whole }
  }
  const [service, hash, tags, marks, ...rest] = Array.isArray(value)
    ? (value as readonly Json[])
    : []
  if (typeof service !== 'string' || !isServiceName(service)) throw invalid('a name that is none')
  if (typeof hash !== 'string' || !HASH.test(hash)) throw invalid('a hash that is none')
  if (tags === undefined || marks === undefined || rest.length > 0) throw invalid('parts amiss')
  return { service, hash, tags: tagsIn(tags), marks: marksOrNull(marks), whole: null }
}

function tagsIn(value: Json): readonly string[] | null {
  if (value === null) return null
  if (!Array.isArray(value) || value.length > TAGS_MAX) throw invalid('tags that are none')
  return (value as readonly Json[]).map((tag) => {
    if (typeof tag === 'string' && isTag(tag)) return tag
    throw invalid('a tag that is none')
  })
}

function marksOrNull(value: Json): string | null {
  if (value === null) return null
  const isOurs = typeof value === 'string' && MARKS.test(value)
  if (isOurs && value.length <= DESCRIPTOR_TOOLS_MAX * MARK_CHARS) return value
  throw invalid('marks that are none')
}

function invalid(found: string, cause?: unknown) {
  return McpError.DESCRIPTOR_INVALID({ found }, cause)
}
