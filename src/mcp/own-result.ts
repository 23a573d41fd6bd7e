/** What a tool's function returned, as MCP's result: text for people and models, data for code. */

import { isJsonObject, type Json } from '../wire/index.ts'
import { McpError } from './errors.ts'
import type { ToolResult } from './tool.ts'

const MESSAGE_CHARS_MAX = 4_096

/** Throws where the value is none that a tool may answer with. */
export function toResult(tool: string, value: unknown): ToolResult {
  if (value === undefined) return { content: [] }
  if (typeof value === 'string') return { content: [text(value)] }
  if (typeof value === 'number' || typeof value === 'boolean') {
    return { content: [text(String(value))] }
  }
  if (isResult(value)) return readResult(tool, value)
  if (isRecord(value)) {
    const written = inJson(tool, value)
    const json = JSON.parse(written) as Json
    if (!isJsonObject(json)) throw invalid(tool, `what JSON reads as ${nameOf(json)}`)
    return { content: [text(written)], structuredContent: json }
  }
  throw invalid(tool, nameOf(value))
}

function invalid(tool: string, found: string, cause?: unknown) {
  const field = `what tool "${tool}" returned`
  const wanted = 'text, a number, a truth value, a plain object or an MCP result'
  return McpError.SERVICE_INVALID({ field, found, wanted }, cause)
}

function nameOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  return value === null ? 'null' : typeof value
}

/** As callers will read it; what writes itself as nothing is `null`. */
function inJson(tool: string, value: unknown): string {
  try {
    const json = JSON.stringify(value) as string | undefined
    return json ?? 'null'
  } catch (cause) {
    const [reason = ''] = String(cause).split('\n', 1)
    throw invalid(tool, `what JSON cannot hold (${reason})`, cause)
  }
}

/** The tool's own word that it failed, and why. */
export function errorResult(message: string): ToolResult {
  return { content: [text(message.slice(0, MESSAGE_CHARS_MAX))], isError: true }
}

/** Only MCP's own fields go out, and only what JSON can hold and a client will read. */
function readResult(tool: string, given: ToolResult): ToolResult {
  const { content, structuredContent, isError } = given
  const whole = { content, structuredContent, ...(isError === true && { isError }) }
  const result = JSON.parse(inJson(tool, whole)) as ToolResult
  const strange = result.content.findIndex((block) => !isBlock(block))
  if (strange >= 0) throw invalid(tool, `a result whose content.${strange} is no block of MCP`)
  if (result.structuredContent !== undefined && !isJsonObject(result.structuredContent)) {
    throw invalid(tool, 'a result whose structuredContent is no object')
  }
  return result
}

/** What a block of each type must have (MCP 2025-11-25, ContentBlock); clients refuse the rest. */
const TEXTS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['text', ['text']],
  ['image', ['data', 'mimeType']],
  ['audio', ['data', 'mimeType']],
  ['resource_link', ['uri', 'name']],
])

function isBlock(block: unknown): boolean {
  if (!isRecord(block)) return false
  const { type, resource } = block
  if (type === 'resource') return isRecord(resource) && typeof resource.uri === 'string'
  return TEXTS.get(type)?.every((field) => typeof block[field] === 'string') === true
}

function text(value: string): { readonly type: 'text'; readonly text: string } {
  return { type: 'text', text: value }
}

/** A list of content blocks under `content` is what tells MCP's result from any other object. */
function isResult(value: unknown): value is ToolResult {
  if (!isRecord(value)) return false
  const { content } = value
  if (!Array.isArray(content)) return false
  return content.every((block) => isRecord(block) && typeof block.type === 'string')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return isJsonObject(value) && isPlainObject(value)
}

/** A date, a map or an instance of a class would lose itself in JSON. */
function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
