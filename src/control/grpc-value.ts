/**
 * JSON as `google.protobuf.Value` has it, in the form in which the library takes and gives
 * messages. What comes in is checked for depth and for names of machinery, as JSON is at the HTTP
 * door; its size was checked before it was decoded.
 */

import { isJsonObject, isMachineryKey, type Json } from '../wire/index.ts'
import { ControlError } from './errors.ts'

const DEPTH_MAX = 64

/** A message `google.protobuf.Value`; exactly one of its fields is there. */
export interface ProtoValue {
  readonly nullValue?: 'NULL_VALUE'
  readonly numberValue?: number
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly structValue?: ProtoStruct
  readonly listValue?: { readonly values?: readonly ProtoValue[] }
}

/** A message `google.protobuf.Struct`. */
export interface ProtoStruct {
  readonly fields?: Readonly<Record<string, ProtoValue>>
}

/** What `JSON.stringify` would write of `value`, as a message; no field is without a value. */
export function protoValue(value: unknown): ProtoValue {
  if (value === null || value === undefined) return { nullValue: 'NULL_VALUE' }
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') {
    return Number.isFinite(value) ? { numberValue: value } : { nullValue: 'NULL_VALUE' }
  }
  if (Array.isArray(value)) return { listValue: { values: value.map(protoValue) } }
  const fields = Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .map(([name, each]): [string, ProtoValue] => [name, protoValue(each)])
  return { structValue: { fields: Object.fromEntries(fields) } }
}

/** The JSON that a caller's message stands for; `field` names it in errors. */
export function jsonOf(value: ProtoValue, field: string, depth = 0): Json {
  const { numberValue, stringValue, boolValue, structValue, listValue } = value
  if (depth > DEPTH_MAX) throw refused(`${field}: deeper than ${DEPTH_MAX} levels`)
  if (stringValue !== undefined) return stringValue
  if (boolValue !== undefined) return boolValue
  if (numberValue !== undefined) {
    if (Number.isFinite(numberValue)) return numberValue
    throw refused(`${field}: found ${numberValue}, wanted a number that JSON can write`)
  }
  if (listValue !== undefined) {
    return (listValue.values ?? []).map((each) => jsonOf(each, field, depth + 1))
  }
  return structValue === undefined ? null : objectOf(structValue, field, depth)
}

/** The same of a `google.protobuf.Struct`. */
export function objectOf({ fields = {} }: ProtoStruct, field: string, depth = 0): Json {
  const entries = Object.entries(fields).map(([name, each]): [string, Json] => {
    if (isMachineryKey(name)) throw refused(`${field}: no field may be named "${name}"`)
    return [name, jsonOf(each, field, depth + 1)]
  })
  const made = Object.fromEntries(entries)
  return isJsonObject(made) ? made : {}
}

function refused(problem: string) {
  return ControlError.REQUEST_INVALID({ part: 'message', problems: [problem] })
}
