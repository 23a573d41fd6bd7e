/** What a tool's function returned, as MCP's result: text for people and models, data for code. */

import { isJsonObject, type JsonObject } from '../wire/index.ts'
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
  if (isResult(value)) return readResult(value)
  if (isRecord(value)) {
    const json = JSON.stringify(value)
    return { content: [text(json)], structuredContent: JSON.parse(json) as JsonObject }
  }
  throw McpError.SERVICE_INVALID({
    field: `what tool "${tool}" returned`,
    found: Array.isArray(value) ? 'a list' : value === null ? 'null' : typeof value,
    wanted: 'text, a number, a truth value, a plain object or an MCP result',
  })
}

/** The tool's own word that it failed, and why. */
export function errorResult(message: string): ToolResult {
  return { content: [text(message.slice(0, MESSAGE_CHARS_MAX))], isError: true }
}

/** Only MCP's own fields go out, and only what JSON can hold. */
function readResult({ content, structuredContent, isError }: ToolResult): ToolResult {
  const whole = { content, structuredContent, ...(isError === true ? { isError } : {}) }
  return JSON.parse(JSON.stringify(whole)) as ToolResult
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
