/**
 * The shape of a tool's arguments in a few characters: what a descriptor has room for in place of
 * a schema, and what a search compares with.
 *
 *   name:type     an argument; type is `any` or one of JSON Schema's seven
 *   name:type!    one that must be given
 *
 * It is a coarse view: it says which calls are worth trying, the tool's own server checks them.
 */

import { isJsonObject, type Json, type JsonObject } from '../wire/index.ts'

const TYPES = ['any', 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'] as const
const ARGUMENT = new RegExp(`^[A-Za-z0-9_.-]{1,64}:(?:${TYPES.join('|')})!?$`)
const NAME = /^[A-Za-z0-9_.-]{1,64}$/
/** Tools with more arguments say nothing of them; whoever wants to know asks for the schema. */
export const ARGUMENTS_MAX = 32
/** With these the arguments may be said elsewhere than in `properties`. */
const COMPOSED = ['$ref', '$dynamicRef', 'allOf', 'anyOf', 'oneOf', 'if', 'patternProperties']

/** The arguments that a caller would give, each with its type, or `any` where that is open. */
export type WantedArgs = Readonly<Record<string, string>>

export function isArgument(text: string): boolean {
  return ARGUMENT.test(text)
}

export function isArgumentName(text: string): boolean {
  return NAME.test(text)
}

/** Whether a text names a type that an argument of a tool may have. */
export function isArgumentType(text: string): boolean {
  return (TYPES as readonly string[]).includes(text)
}

/** The arguments in a schema, sorted by name; null where they cannot be told so simply. */
export function shapeOf(schema: JsonObject): readonly string[] | null {
  const { properties = {}, required = [] } = schema
  if (COMPOSED.some((key) => Object.hasOwn(schema, key))) return null
  if (!isJsonObject(properties) || !Array.isArray(required)) return null
  const needed = new Set((required as readonly Json[]).map(String))
  const names = [...new Set([...Object.keys(properties), ...needed])].sort()
  if (names.length > ARGUMENTS_MAX || !names.every(isArgumentName)) return null
  return names.map((name) => {
    const type = typeOf(Object.hasOwn(properties, name) ? properties[name] : undefined)
    return `${name}:${type}${needed.has(name) ? '!' : ''}`
  })
}

/** Whether a call with just these arguments would be one that the tool takes. */
export function acceptsArgs(shape: readonly string[], wanted: WantedArgs): boolean {
  const args = new Map(
    shape.map((argument) => [argument.slice(0, argument.indexOf(':')), argument]),
  )
  const given = Object.entries(wanted).every(([name, type]) => {
    const argument = args.get(name)
    return argument !== undefined && fits(type, typeIn(argument))
  })
  return (
    given &&
    [...args].every(([name, argument]) => {
      return !argument.endsWith('!') || Object.hasOwn(wanted, name)
    })
  )
}

function typeIn(argument: string): string {
  return argument.slice(argument.indexOf(':') + 1).replace('!', '')
}

/** Every integer is a number; where one side says nothing, nothing stands against it. */
function fits(given: string, taken: string): boolean {
  if (given === taken || given === 'any' || taken === 'any') return true
  return given === 'integer' && taken === 'number'
}

function typeOf(property: Json | undefined): string {
  const { type } = isJsonObject(property) ? property : {}
  return typeof type === 'string' && isArgumentType(type) ? type : 'any'
}
