/**
 * The descriptor: what one peer says of one of its services, as it stands in the DHT under
 * `/mcp/<service>/<peerId>` and goes over the topic of announcements. The record, or the message,
 * around it carries the signature.
 *
 * UTF-8 JSON of at most 8 KiB, without white space, with the keys in exactly this order:
 *
 *   v           2
 *   service     the service's name
 *   peer        who offers it; must be who signed the record
 *   version     of the peer's software: letters, digits, `.`, `+`, `-`; at most 64
 *   expires     after when it no longer counts, in seconds since 1970; 0 says nothing
 *   tags        at most 16, sorted, each once: a-z, 0-9 and `-`, at most 32 characters
 *   price       of one call, a whole number in a unit that its users agreed on, or null
 *   load        how much of what it can do at once is in use, in percent, or null
 *   tools       at most 512 of [name, description, hints, hash, args], or none when they do not
 *               fit: then they are only counted, and a reader asks the peer for the list.
 *               hints: 1 idempotent, 2 read-only, 3 both; hash: SHA-256 of the whole tool with its
 *               schemas, in base64url; args: as in `tool-shape.ts`, null where they are not said
 *   toolCount   how many tools there are; zero says that the service was withdrawn
 *   schemaHash  SHA-256 of the whole tool list with its schemas, in hex
 *   resources   [how many, names of at most 16]
 *   prompts     [how many, names of at most 16]
 *   endpoints   at most 8 multiaddrs of the peer
 *
 * Anything else, even the same values written otherwise, is refused: there is one form only. What
 * the first version wrote is still read (`descriptor-v1.ts`).
 */

import { equalBytes, fromUtf8, hasCode, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { isJsonObject, type Json, type JsonObject, parseJson } from '../wire/index.ts'
import { cleanText } from './clean-text.ts'
import {
  asCount,
  asList,
  checkToolCount,
  commonIn,
  countIn,
  countOrNullIn,
  DESCRIPTION_CHARS_MAX,
  DESCRIPTOR_TOOLS_MAX,
  descriptionIn,
  ENDPOINTS_MAX,
  invalid,
  isEndpoint,
  isTag,
  isToolName,
  LISTED_COUNT_MAX,
  LISTED_NAME_CHARS_MAX,
  LISTED_NAMES_MAX,
  type Listed,
  listedIn,
  listIn,
  NONE_LISTED,
  shown,
  TAGS_MAX,
} from './descriptor-fields.ts'
import { decodeDescriptorV1 } from './descriptor-v1.ts'
import type { ToolInfo } from './tool.ts'
import { hashOfTool, hashOfTools } from './tool-hash.ts'
import { ARGUMENTS_MAX, isArgument, shapeOf } from './tool-shape.ts'

export { DESCRIPTOR_TOOLS_MAX, isServiceName, isTag, TAGS_MAX } from './descriptor-fields.ts'
export { hashOfTool, hashOfTools } from './tool-hash.ts'

export const DESCRIPTOR_BYTES_MAX = 8 * 1024
export const PRICE_MAX = 1_000_000_000
const LOAD_MAX = 100
const EXPIRES_MAX = 99_999_999_999
const DEPTH_MAX = 4
const TOOL_HASH = /^(?:[A-Za-z0-9_-]{43})?$/
const HINTS_MAX = 3
type Step = { readonly chars: number; readonly args: boolean; readonly names: number }
/** What is left out, one step after the other, until everything fits. */
const STEPS = [
  { chars: DESCRIPTION_CHARS_MAX, args: true, names: LISTED_NAMES_MAX },
  { chars: 256, args: true, names: LISTED_NAMES_MAX },
  { chars: 128, args: true, names: LISTED_NAMES_MAX },
  { chars: 64, args: true, names: LISTED_NAMES_MAX },
  { chars: 0, args: true, names: 0 },
  { chars: 0, args: false, names: 0 },
] as const satisfies readonly Step[]
const BARE: Step = { chars: 0, args: false, names: 0 }

export interface DescribedTool {
  readonly name: string
  readonly description: string
  readonly idempotent: boolean
  readonly readOnly: boolean
  /** Of the whole tool with its schemas (`hashOfTool`); empty where it is not said. */
  readonly hash: string
  /** Null where they are not said. */
  readonly args: readonly string[] | null
}

export interface Descriptor {
  readonly service: string
  readonly peer: PeerId
  readonly version: string
  /** In seconds since 1970; 0 says nothing. */
  readonly expires: number
  readonly tags: readonly string[]
  readonly price: number | null
  readonly load: number | null
  readonly tools: readonly DescribedTool[]
  readonly toolCount: number
  readonly schemaHash: string
  readonly resources: Listed
  readonly prompts: Listed
  readonly endpoints: readonly string[]
}

/** What a descriptor is made from: the same, with the tools as the service lists them. */
export type Described = Pick<Descriptor, 'service' | 'peer' | 'version' | 'endpoints'> &
  Partial<Pick<Descriptor, 'expires' | 'tags' | 'price' | 'load' | 'resources' | 'prompts'>> & {
    readonly tools: readonly ToolInfo[]
  }

/** Says as much of a service as fits into one record, or into `bytesMax`. */
export function describe(given: Described, bytesMax = DESCRIPTOR_BYTES_MAX): Descriptor {
  const listed = given.tools.filter(({ name }) => isToolName(name)).slice(0, DESCRIPTOR_TOOLS_MAX)
  const head = {
    service: given.service,
    peer: given.peer,
    version: given.version,
    expires: given.expires ?? 0,
    tags: [...new Set((given.tags ?? []).filter(isTag))].sort().slice(0, TAGS_MAX),
    price: given.price ?? null,
    load: given.load ?? null,
    toolCount: listed.length,
    schemaHash: hashOfTools(listed),
    endpoints: given.endpoints.filter(isEndpoint).slice(0, ENDPOINTS_MAX),
  }
  const others = (step: Step) => ({
    resources: shortList(given.resources, step),
    prompts: shortList(given.prompts, step),
  })
  const hashed = listed.map((tool) => ({ ...tool, hash: hashOfTool(tool) }))
  for (const step of STEPS) {
    const tools = hashed.map((tool) => shorten(tool, step))
    const descriptor = { ...head, tools, ...others(step) }
    if (toBytes(descriptor).length <= bytesMax) return descriptor
  }
  return { ...head, tools: [], ...others(BARE) }
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
  if (v === 1) return cleaned(decodeDescriptorV1(fields, bytes))
  if (v !== 2) throw invalid(`v ${shown(v)}`)
  const descriptor: Descriptor = {
    ...commonIn(fields),
    expires: countIn(fields, 'expires', EXPIRES_MAX),
    tags: listIn(fields, 'tags', TAGS_MAX).map(readTag),
    price: countOrNullIn(fields, 'price', PRICE_MAX),
    load: countOrNullIn(fields, 'load', LOAD_MAX),
    tools: listIn(fields, 'tools', DESCRIPTOR_TOOLS_MAX).map(readTool),
    resources: listedIn(fields, 'resources'),
    prompts: listedIn(fields, 'prompts'),
  }
  checkToolCount(descriptor.tools, descriptor.toolCount)
  if (!isSorted(descriptor.tags)) throw invalid('tags out of order')
  if (!equalBytes(toBytes(descriptor), bytes)) throw invalid('another form than the canonical one')
  return cleaned(descriptor)
}

function toBytes(descriptor: Descriptor): Uint8Array {
  const { service, peer, version, expires, tags, price, load } = descriptor
  const { toolCount, schemaHash, resources, prompts, endpoints } = descriptor
  const tools = descriptor.tools.map((tool) => {
    return [tool.name, tool.description, hintsOf(tool), tool.hash, tool.args]
  })
  const head = { v: 2, service, peer, version, expires, tags, price, load, tools, toolCount }
  const lists = { resources: pairOf(resources), prompts: pairOf(prompts) }
  return utf8(JSON.stringify({ ...head, schemaHash, ...lists, endpoints }))
}

function hintsOf({ idempotent, readOnly }: DescribedTool): number {
  return Number(idempotent) + 2 * Number(readOnly)
}

function pairOf({ count, names }: Listed): readonly [number, readonly string[]] {
  return [count, names]
}

function shorten(tool: ToolInfo & { readonly hash: string }, step: Step): DescribedTool {
  const { name, description, idempotent, readOnly, hash, inputSchema } = tool
  const args = step.args ? shapeOf(inputSchema) : null
  return { name, description: cleanText(description, step.chars), idempotent, readOnly, hash, args }
}

function shortList(given: Listed = NONE_LISTED, { names: max }: Step): Listed {
  const names = given.names.slice(0, max).map((name) => cleanText(name, LISTED_NAME_CHARS_MAX))
  return { count: Math.min(given.count, LISTED_COUNT_MAX), names }
}

function cleaned(descriptor: Descriptor): Descriptor {
  const clean = ({ count, names }: Listed): Listed => {
    return { count, names: names.map((name) => cleanText(name, LISTED_NAME_CHARS_MAX)) }
  }
  const tools = descriptor.tools.map((tool) => {
    return { ...tool, description: cleanText(tool.description, DESCRIPTION_CHARS_MAX) }
  })
  const { resources, prompts } = descriptor
  return { ...descriptor, tools, resources: clean(resources), prompts: clean(prompts) }
}

function parseObject(bytes: Uint8Array): JsonObject {
  const valuesMax = DESCRIPTOR_BYTES_MAX
  const limits = { bytesMax: DESCRIPTOR_BYTES_MAX, depthMax: DEPTH_MAX, valuesMax }
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
  const [name, description, hints, hash, args, ...rest] = asList(value, 'parts of a tool', 5)
  if (rest.length > 0 || typeof name !== 'string' || !isToolName(name)) {
    throw invalid(`tool ${shown(name)}`)
  }
  if (typeof hash !== 'string' || !TOOL_HASH.test(hash)) throw invalid(`hash ${shown(hash)}`)
  const flags = asCount(hints, 'hints', HINTS_MAX)
  return {
    name,
    description: descriptionIn(description),
    idempotent: flags % 2 === 1,
    readOnly: flags >= 2,
    hash,
    args: args === null ? null : asList(args, 'arguments', ARGUMENTS_MAX).map(readArgument),
  }
}

function readArgument(value: Json): string {
  if (typeof value === 'string' && isArgument(value)) return value
  throw invalid(`argument ${shown(value)}`)
}

function readTag(value: Json): string {
  if (typeof value === 'string' && isTag(value)) return value
  throw invalid(`tag ${shown(value)}`)
}

function isSorted(texts: readonly string[]): boolean {
  return texts.every((text, i) => i === 0 || (texts[i - 1] ?? '') < text)
}
