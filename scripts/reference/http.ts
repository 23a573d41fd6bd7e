/** `docs/reference/http.md`: every operation of the node's API. */

import { z } from 'zod'
import { type Operation, operations } from '../../src/control/api.ts'
import { PUBLIC_PATHS } from '../../src/control/http.ts'
import { knownErrors } from './errors.ts'
import { code, page, table } from './table.ts'

const INTRO = `The API listens at \`http://127.0.0.1:9002\` unless \`[control] api_address\` says otherwise.
Send \`Authorization: Bearer <token>\` with the text of \`api.token\` in the data folder. Bodies and
answers are JSON unless an operation says otherwise; the node itself shows the same at \`/openapi.json\`.
An error is \`{"error":{"code","message","facts","retryable"}}\`; the table at the end says which
codes each status has.`

/** The operations by name, as the page has them. */
export function shownOperations(): readonly (readonly [string, Operation])[] {
  return Object.entries(operations)
}

export async function httpPage(): Promise<string> {
  const parts = shownOperations().map(([name, operation]) => describe(name, operation))
  const byStatus = Map.groupBy(await knownErrors(), ({ status }) => status)
  const rows = [...byStatus]
    .sort(([a], [b]) => a - b)
    .map(([status, errors]) => [String(status), errors.map((error) => code(error.code)).join(', ')])
  return page('HTTP API', INTRO, [
    ...parts,
    '## Statuses of errors',
    'What each code means stands in [errors](errors.md).',
    table(['Status', 'Codes'], rows),
  ])
}

/** What a supervisor asks, which looks at the status only. */
const PROBES: readonly string[] = ['health', 'ready']

function describe(name: string, operation: Operation): string {
  const { method, path, summary, contentTypes, response } = operation
  const isProbe = PUBLIC_PATHS.includes(path)
  const token = isProbe ? ' Needs no token.' : ''
  const no = PROBES.includes(name) ? ' 503 when the answer is no.' : ''
  const parts = [`## ${method} ${path}`, `${summary}.${token}${no} Operation ${code(name)}.`]
  const sent = parameters(operation)
  if (sent.length > 0) parts.push(table(['Parameter', 'In', 'Type', 'Meaning'], sent))
  const answer =
    contentTypes === undefined
      ? code(typeText(schemaOf(response, 'output')))
      : contentTypes.map(code).join(' or ')
  parts.push(`Answers 200 with ${answer}.`, `Errors: ${statuses(operation, isProbe)}.`)
  return parts.join('\n\n')
}

/** Those that the request alone can earn; what the work brings is in the table at the end. */
function statuses({ query, params, body, bodyBytesMax }: Operation, isProbe: boolean): string {
  const takes = query !== undefined || params !== undefined || body !== undefined
  return [
    ...(takes ? ['400 where a parameter is wrong'] : []),
    ...(isProbe ? [] : ['401 without the token']),
    '403 from a web page or under a foreign `Host`',
    ...(body === undefined ? [] : [`413 beyond ${bodyBytesMax} bytes`]),
    ...(isProbe ? [] : ['and those of the work itself']),
  ].join(', ')
}

function parameters({ params, query, body }: Operation): string[][] {
  const of = (shape: z.ZodObject | undefined, place: string) => {
    const { properties = {}, required = [] } = shape === undefined ? {} : schemaOf(shape, 'input')
    return Object.entries(properties).map(([name, schema]) => {
      const optional = required.includes(name) ? '' : ', optional'
      const fallback =
        schema.default === undefined ? '' : `, else ${code(JSON.stringify(schema.default))}`
      const text = `${code(typeText(schema))}${bounds(schema)}${fallback === '' ? optional : fallback}`
      return [code(name), place, text, schema.description ?? '']
    })
  }
  return [...of(params, 'path'), ...of(query, 'query'), ...of(body, 'body')]
}

/** What we read of a JSON schema. */
interface Schema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly maxItems?: number
}

function schemaOf(type: z.ZodType, io: 'input' | 'output'): Schema {
  return z.toJSONSchema(type, { io, unrepresentable: 'any', reused: 'inline' }) as Schema
}

/** A schema as a type that fits in a line. */
function typeText(schema: Schema): string {
  const { type, properties, items, required = [], additionalProperties: rest } = schema
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((one) => JSON.stringify(one)).join(' or ')
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return choices.map(typeText).join(' or ')
  if (type === 'array') return `[${items === undefined ? 'anything' : typeText(items)}, …]`
  if (properties !== undefined) {
    const inner = Object.entries(properties).map(([name, one]) => {
      return `${name}${required.includes(name) ? '' : '?'}: ${typeText(one)}`
    })
    return `{${inner.join(', ')}}`
  }
  if (type === 'object')
    return typeof rest === 'object' && rest.type !== undefined ? `{…: ${typeText(rest)}}` : '{…}'
  return type === undefined ? 'anything' : [type].flat().join(' or ')
}

function bounds({ minimum, maximum, maxLength, maxItems }: Schema): string {
  const isLoose = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER
  if (minimum !== undefined && !isLoose) return `, ${minimum} … ${maximum}`
  if (maxLength !== undefined) return `, at most ${maxLength} characters`
  return maxItems === undefined ? '' : `, at most ${maxItems}`
}
