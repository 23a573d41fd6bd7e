/** `node.tool(name, schema, handler)`: one tool as a service that is called like it. */

import {
  type ArgsOf,
  type StandardSchema,
  type Tool,
  type ToolContext,
  type ToolOptions,
  type ToolReturn,
  tool,
} from '../mcp/index.ts'
import type { Exposed, OfferOptions } from './offer.ts'

type Expose = (name: string, tools: readonly Tool[], options?: OfferOptions) => Promise<Exposed>
type Handler<Schema> = (
  args: ArgsOf<Schema>,
  context: ToolContext,
) => ToolReturn | Promise<ToolReturn>

/** A JSON Schema of the arguments, which MCP calls by name. */
interface ObjectSchema {
  readonly type: 'object'
  readonly [keyword: string]: unknown
}

/** Offers one tool, by the schema of its arguments or all that `tool()` takes. */
export interface OneTool {
  <Schema extends StandardSchema | ObjectSchema>(
    name: string,
    schema: Schema,
    handler: Handler<Schema>,
    offer?: OfferOptions,
  ): Promise<Exposed>
  <const Schema extends StandardSchema | object>(
    name: string,
    options: ToolOptions<Schema>,
    handler: Handler<Schema>,
    offer?: OfferOptions,
  ): Promise<Exposed>
}

export function oneTool(expose: Expose): OneTool {
  return async <Schema extends StandardSchema | object>(
    name: string,
    given: StandardSchema | ObjectSchema | ToolOptions<Schema>,
    handler: Handler<Schema>,
    offer?: OfferOptions,
  ) => {
    const isSchema = '~standard' in given || 'type' in given
    const options = isSchema ? { input: given as unknown as Schema } : given
    return expose(serviceOf(name), [tool(name, options, handler)], offer)
  }
}

/** `get_Sum` as `get-sum`: services have lower-case letters, digits and `-`. */
export function serviceOf(name: string): string {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  return plain.replace(/^-+/, '').slice(0, NAME_CHARS_MAX).replace(/-+$/, '') || 'tool'
}

const NAME_CHARS_MAX = 63
