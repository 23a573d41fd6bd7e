/** Hashes of tools as their service lists them: what tells a changed tool from the one known. */

import { createHash } from 'node:crypto'
import { isJsonObject } from '../wire/index.ts'
import type { ToolInfo } from './tool.ts'

/** The same tools with the same schemas have the same hash, in whatever order they are listed. */
export function hashOfTools(tools: readonly ToolInfo[]): string {
  const sorted = tools.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return createHash('sha256').update(canonicalJson(sorted)).digest('hex')
}

/** Changes whenever anything of the tool does: what an approval holds on to. */
export function hashOfTool(tool: ToolInfo): string {
  const { name, description, inputSchema, outputSchema, idempotent, readOnly } = tool
  const whole = { name, description, inputSchema, outputSchema, idempotent, readOnly }
  return createHash('sha256').update(canonicalJson(whole)).digest('base64url')
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    return isJsonObject(item) ? Object.fromEntries(Object.entries(item).sort(byKey)) : item
  })
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}
