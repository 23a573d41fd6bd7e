/**
 * A tool written in this process: a name, schemas, and a function that does the work.
 *
 * Arguments are a stranger's: the schema reads them before the function sees them. What goes wrong
 * with them or in the function is the tool's own answer (`isError`, as MCP has it), with the
 * message and never the stack.
 */

import { CodedError, type Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { isJsonObject, type JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { compileSchema } from './json-schema.ts'
import { errorResult, toResult } from './own-result.ts'
import type { ToolArgs, ToolInfo, ToolResult } from './tool.ts'
import { readTools } from './tool-list.ts'

/** What we use of Standard Schema (standardschema.dev); Zod 4.2 and newer has all of it. */
export interface StandardSchema<Value = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => Checked<Value> | Promise<Checked<Value>>
    readonly types?: { readonly input: unknown; readonly output: Value } | undefined
    /** Draws the JSON Schema that callers are shown. */
    readonly jsonSchema?: {
      readonly input: (options: { readonly target: 'draft-2020-12' }) => object
      readonly output: (options: { readonly target: 'draft-2020-12' }) => object
    }
  }
}

type Checked<Value> =
  | { readonly value: Value; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] }

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What a schema lets through; of a JSON Schema only that it is an object. */
export type ArgsOf<Schema> = Schema extends {
  readonly '~standard': { readonly types?: infer Types }
}
  ? NonNullable<Types> extends { readonly output: infer Value }
    ? Value
    : ToolArgs
  : ToolArgs

/** How a tool is described to its callers. */
export interface ToolOptions<Input> {
  /**
   * A Zod object, another Standard Schema that draws itself as JSON Schema, or a JSON Schema.
   * Without it the tool takes no arguments.
   */
  readonly input?: Input
  /** What the structured part of every answer looks like; answers are checked against it. */
  readonly output?: StandardSchema | object
  readonly title?: string
  readonly description?: string
  /** Your word that calling it twice is the same as once: only then may a call be repeated. */
  readonly idempotent?: boolean
  /** It changes nothing anywhere. */
  readonly readOnly?: boolean
  /** Listed with it as `_meta`, for programs. */
  readonly meta?: JsonObject
}

/** Tells how far a call is: a number that grows, and a text such as a part of the answer. */
export type ReportProgress = (progress: number, message?: string) => void

/** Who calls a tool, and what a long call should watch. */
export interface ToolContext {
  /** The peer, proven by its connection; null when it is this node itself or its assistant. */
  readonly caller: PeerId | null
  /** Aborts when nobody waits for the answer any more, or its time is over. */
  readonly signal: AbortSignal
  readonly log: Logger
  /** The id of the request in the logs of every node that it crosses. */
  readonly correlationId: string
  /** Absent where the caller did not ask to be told. */
  readonly progress?: ReportProgress
}

/**
 * What a tool's function may return. Text, numbers and truth values become text; a plain object
 * becomes structured content, with its JSON as text; a whole MCP result goes out as it is.
 */
export type ToolReturn =
  | string
  | number
  | boolean
  | { readonly [key: string]: unknown }
  | NamedFields
  | ToolResult
  // biome-ignore lint/suspicious/noConfusingVoidType: a function without `return` is one too.
  | void

/** An object of an interface, which has no index signature; a list or a map is none. */
type NamedFields = object & { readonly [Symbol.iterator]?: never }

/** A tool of this process, as `tool()` makes it and `expose()` takes it. */
export interface Tool {
  readonly info: ToolInfo
  /** As MCP lists it. */
  readonly listed: JsonObject
  /** Settles when the function does. Rejects only once the signal has aborted: else it answers. */
  run(args: ToolArgs, context: ToolContext): Promise<ToolResult>
}

/** Makes a tool. Throws `MCP_SERVICE_INVALID` when its name or a schema cannot be offered. */
export function tool<const Input extends StandardSchema | object = NoInput>(
  name: string,
  options: ToolOptions<Input>,
  handler: (args: ArgsOf<Input>, context: ToolContext) => ToolReturn | Promise<ToolReturn>,
): Tool {
  const { input: given = NO_INPUT } = options
  const input = readSchema(given, { tool: name, side: 'input' })
  const output =
    options.output === undefined
      ? undefined
      : readSchema(options.output, { tool: name, side: 'output' })
  const listed = listedAs(name, options, { input: input.drawn, output: output?.drawn })
  const info = infoOf(listed)
  return {
    info,
    listed,
    async run(args, context) {
      const { signal } = context
      try {
        const read = await input.read(args)
        if (read.issues !== undefined) {
          return errorResult(`Cannot call tool "${name}": ${described(read.issues)}`)
        }
        signal.throwIfAborted()
        const result = toResult(name, await handler(read.value as ArgsOf<Input>, context))
        return output === undefined ? result : await checked(name, result, output)
      } catch (error) {
        signal.throwIfAborted()
        context.log.info('tool failed', { tool: name, error })
        return errorResult(error instanceof Error ? error.message : `Tool "${name}" failed`)
      }
    },
  }
}

/** The JSON Schema that MCP recommends for a tool without arguments. */
const NO_INPUT = { type: 'object', additionalProperties: false } as const
type NoInput = typeof NO_INPUT

interface ReadSchema {
  /** JSON Schema of an object. */
  readonly drawn: JsonObject
  read(value: unknown): Promise<Checked<unknown>>
}

interface Place {
  readonly tool: string
  readonly side: 'input' | 'output'
}

function readSchema(given: unknown, place: Place): ReadSchema {
  if (isStandard(given)) {
    const drawn = draw(given, place)
    return { drawn, read: async (value) => given['~standard'].validate(value) }
  }
  if (!isPlain(given)) {
    throw invalid(place, given, 'a Zod object, another Standard Schema, or a JSON Schema')
  }
  const drawn = checkDrawn(given, place)
  try {
    const check = compileSchema(drawn)
    // Compiled at the first use: now, so that a wrong schema is told to who wrote it.
    check({})
    const read = async (value: unknown): Promise<Checked<unknown>> => {
      const verdict = check(value)
      return 'problem' in verdict ? { issues: [{ message: verdict.problem }] } : verdict
    }
    return { drawn, read }
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw invalid(place, reasonOf(cause), 'a JSON Schema that can be compiled', cause)
  }
}

function draw(schema: StandardSchema, place: Place): JsonObject {
  const { vendor, jsonSchema } = schema['~standard']
  if (jsonSchema === undefined) {
    const wanted = 'one that draws itself as JSON Schema (Zod 4.2 or newer), or a JSON Schema'
    throw invalid(place, `a schema of ${vendor} that does not`, wanted)
  }
  try {
    return checkDrawn(jsonSchema[place.side]({ target: 'draft-2020-12' }), place)
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw invalid(place, reasonOf(cause), 'a schema of values that JSON can hold', cause)
  }
}

/** MCP calls tools with named arguments, and structured content is an object as well. */
function checkDrawn(drawn: object, place: Place): JsonObject {
  const { type } = drawn as { type?: unknown }
  if (type === 'object') return structuredClone(drawn) as JsonObject
  throw invalid(place, `of type ${shown(type)}`, 'an object with named fields, as z.object({ … })')
}

function listedAs(
  name: string,
  options: ToolOptions<unknown>,
  drawn: { readonly input: JsonObject; readonly output: JsonObject | undefined },
): JsonObject {
  const { title, description = '', idempotent = false, readOnly = false } = options
  return {
    name,
    ...(title === undefined ? {} : { title }),
    description,
    inputSchema: drawn.input,
    ...(drawn.output === undefined ? {} : { outputSchema: drawn.output }),
    annotations: { readOnlyHint: readOnly, idempotentHint: idempotent || readOnly },
    ...(options.meta === undefined ? {} : { _meta: options.meta }),
  }
}

/** As peers will read it: what they would leave out is refused here. */
function infoOf(listed: JsonObject): ToolInfo {
  const [info] = readTools([listed])
  if (info !== undefined) return info
  const { name } = listed
  if (readTools([{ ...listed, name: 'x' }]).length > 0) {
    const wanted = 'letters, digits, "_", "-", "." and "/", at most 128'
    throw McpError.SERVICE_INVALID({ field: 'the name of a tool', found: shown(name), wanted })
  }
  const field = `a schema of tool "${shown(name)}"`
  throw McpError.SERVICE_INVALID({ field, found: 'too large', wanted: 'at most 64 KiB as JSON' })
}

async function checked(name: string, result: ToolResult, output: ReadSchema): Promise<ToolResult> {
  if (result.isError === true) return result
  const { structuredContent } = result
  if (structuredContent === undefined) {
    return errorResult(`Tool "${name}" has an output schema and answered without an object`)
  }
  const read = await output.read(structuredContent)
  if (read.issues === undefined) return result
  return errorResult(`Tool "${name}" broke its output schema: ${described(read.issues)}`)
}

const ISSUES_MAX = 8

function described(issues: readonly Issue[]): string {
  return issues
    .slice(0, ISSUES_MAX)
    .map(({ path = [], message }) => {
      const at = path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.')
      return at === '' ? message : `${at}: ${message}`
    })
    .join('; ')
}

function isStandard(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard = (value as { '~standard'?: unknown })['~standard']
  return typeof standard === 'object' && standard !== null && 'validate' in standard
}

function isPlain(value: unknown): value is object {
  return isJsonObject(value)
}

function invalid({ tool: name, side }: Place, found: unknown, wanted: string, cause?: unknown) {
  const field = `the ${side} schema of tool "${shown(name)}"`
  return McpError.SERVICE_INVALID({ field, found: shown(found), wanted }, cause)
}

function shown(value: unknown): string {
  const text =
    typeof value === 'string'
      ? value
      : ((JSON.stringify(value) as string | undefined) ?? String(value))
  return text.slice(0, 200)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
