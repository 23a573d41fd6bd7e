/** A standard tool: one whose failures carry their code, so that programs can tell them apart. */

import type { CodedError } from '../../base/index.ts'
import {
  type StandardSchema,
  type Tool,
  type ToolContext,
  type ToolOptions,
  type ToolResult,
  type ToolReturn,
  tool,
} from '../../mcp/index.ts'
import { isCoded } from './coded.ts'
import type { AgentTool, StandardTool } from './names.ts'

/** The longest text that an answer repeats of an error. */
const MESSAGE_CHARS_MAX = 4_096

/** As `tool()`, for one of our own; coded errors are answered with their code. */
export function standardTool<Args>(
  name: StandardTool | AgentTool,
  options: ToolOptions<StandardSchema<Args>> & { readonly description: string },
  handler: (args: Args, context: ToolContext) => ToolReturn | Promise<ToolReturn>,
): Tool {
  return tool(name, options, async (args, context) => {
    try {
      return await handler(args, context)
    } catch (error) {
      context.signal.throwIfAborted()
      if (isCoded(error)) return failed(error)
      throw error
    }
  })
}

/** The tool's own word that it failed: the code first, for programs. */
export function failed({ code, message }: CodedError): ToolResult {
  const text = `${code}: ${message}`.slice(0, MESSAGE_CHARS_MAX)
  return { content: [{ type: 'text', text }], isError: true }
}
