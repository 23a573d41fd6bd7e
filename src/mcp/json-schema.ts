/**
 * Compiles a JSON Schema with the validator of the MCP SDK. That is a large library which few
 * programs need, and who writes a tool is told at once, so it is loaded here and now: by
 * `require`, because an `import()` could not answer before the next turn.
 */

import { createRequire } from 'node:module'
import type { JsonObject } from '../wire/index.ts'

/** What a value is, or the sentence that says why it is not that. */
export type SchemaVerdict = { readonly value: unknown } | { readonly problem: string }

/** Throws what the validator says of a schema that cannot be compiled. */
export function compileSchema(schema: JsonObject): (value: unknown) => SchemaVerdict {
  const { AjvJsonSchemaValidator } = createRequire(import.meta.url)(
    '@modelcontextprotocol/server/validators/ajv',
  ) as typeof import('@modelcontextprotocol/server/validators/ajv')
  const check = new AjvJsonSchemaValidator().getValidator(schema)
  return (value) => {
    const { valid, data, errorMessage } = check(value)
    return valid ? { value: data } : { problem: errorMessage }
  }
}
