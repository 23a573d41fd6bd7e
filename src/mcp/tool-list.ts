/**
 * The tools of a server, read page by page and never trusted: names by their alphabet, text
 * cleaned, schemas by their size, and no more than 512 of them.
 */

import type { Client } from '@modelcontextprotocol/client'
import { isJsonObject } from '../wire/index.ts'
import { cleanText } from './clean-text.ts'
import { readSchema } from './schema-text.ts'
import type { ToolInfo } from './tool.ts'

export const TOOLS_MAX = 512
const PAGES_MAX = 64
const DESCRIPTION_CHARS_MAX = 4_096

/** What MCP recommends for names (SEP-986), with the slash that some servers use. */
const TOOL_NAME = /^[A-Za-z0-9_./-]{1,128}$/

/** Asks for every page; a server without tools has an empty list. */
export async function listTools(
  client: Client,
  options: { readonly signal: AbortSignal; readonly timeout: number },
): Promise<readonly ToolInfo[]> {
  if (client.getServerCapabilities()?.tools === undefined) return []
  const tools: ToolInfo[] = []
  let cursor: string | undefined
  for (let page = 0; page < PAGES_MAX && tools.length < TOOLS_MAX; page += 1) {
    const params = cursor === undefined ? {} : { cursor }
    const found = await client.request({ method: 'tools/list', params }, options)
    tools.push(...readTools(found.tools))
    cursor = found.nextCursor
    if (cursor === undefined) break
  }
  return tools.slice(0, TOOLS_MAX)
}

/** Keeps the tools that can be named and called; of two with one name, the first. */
export function readTools(list: readonly unknown[]): ToolInfo[] {
  const byName = new Map<string, ToolInfo>()
  for (const raw of list.slice(0, TOOLS_MAX)) {
    const tool = readTool(raw)
    if (tool !== undefined && !byName.has(tool.name)) byName.set(tool.name, tool)
  }
  return [...byName.values()]
}

function readTool(raw: unknown): ToolInfo | undefined {
  if (!isJsonObject(raw)) return undefined
  const { name, description, annotations } = raw
  const inputSchema = readSchema(raw.inputSchema)
  if (typeof name !== 'string' || !TOOL_NAME.test(name)) return undefined
  if (inputSchema === undefined) return undefined
  const outputSchema = readSchema(raw.outputSchema)
  const hints = isJsonObject(annotations) ? annotations : {}
  const readOnly = hints.readOnlyHint === true
  return {
    name,
    description:
      typeof description === 'string' ? cleanText(description, DESCRIPTION_CHARS_MAX) : '',
    inputSchema,
    ...(outputSchema === undefined ? {} : { outputSchema }),
    // MCP gives the hint a meaning only where a tool writes: reading twice changes nothing.
    idempotent: readOnly || hints.idempotentHint === true,
    readOnly,
  }
}
