/** What standard tools read of the answers of other nodes, and of how their calls failed. */

import type { LargeResult, ToolResult } from '../../mcp/index.ts'
import { ToolsError } from '../tools-errors.ts'

/** As much JSON of one answer as is compared with others. */
export const VALUE_CHARS_MAX = 65_536

/** All texts of an answer. */
export function textOf({ content }: Pick<ToolResult, 'content'>): string {
  return content
    .map((block) => (block as { text?: unknown }).text)
    .filter((text): text is string => typeof text === 'string')
    .join('\n')
}

/** The code that a standard tool begins its failure with. */
export function codeIn(text: string): string {
  return /^([A-Z][A-Z0-9]*_[A-Z0-9_]{1,60}):/.exec(text)?.[1] ?? 'MCP_TOOL_ERROR'
}

/** The code and the words of a failure; both may be those of a peer. */
export function reasonOf(error: unknown): { code: string; reason: string } {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'MCP_INTERNAL'
  return { code, reason: error instanceof Error ? error.message : String(error) }
}

/** For results above one frame: of many peers at once they would be more than fits. */
export function refuseLarge({ bytes }: LargeResult): never {
  throw ToolsError.ANSWER_TOO_LONG({ found: `${bytes} bytes`, wanted: 'what fits one frame' })
}
