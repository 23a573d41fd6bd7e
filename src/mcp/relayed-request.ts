/** What a relayed request asks for. Pure. */

import { isJsonObject, type JsonObject, parseJson } from '../wire/index.ts'
import { type Envelope, PARAMS_BYTES_MAX } from './envelope.ts'
import { McpError } from './errors.ts'
import { KEY_META, readKey, SERVICE_META } from './protocol.ts'
import type { ToolInfo } from './tool.ts'

/** Of which service, and what gives the right to it. */
export interface Place {
  readonly service: string
  readonly meta: JsonObject
}

export interface Call extends Place {
  readonly name: string
  readonly args: JsonObject
}

/** The JSON of `params`, under the limits of all JSON of peers. */
export function paramsOf({ params }: Envelope): JsonObject {
  const value = parseJson(params, 'relayed call', { bytesMax: PARAMS_BYTES_MAX })
  if (isJsonObject(value)) return value
  throw McpError.REQUEST_INVALID({ found: 'params that are no object' })
}

/** Of which service the request is; throws where it does not say so. */
export function placeOf({ _meta: meta }: JsonObject): Place {
  const service = isJsonObject(meta) ? meta[SERVICE_META] : undefined
  if (isJsonObject(meta) && typeof service === 'string') return { service, meta }
  throw McpError.REQUEST_INVALID({ found: 'a relayed request that names no service' })
}

/** Throws where the call is of no tool, or has no key. */
export function callOf(params: JsonObject): Call {
  const { name, arguments: args = {} } = params
  const place = placeOf(params)
  if (typeof name !== 'string' || !isJsonObject(args)) {
    throw McpError.REQUEST_INVALID({ found: 'a relayed call without its tool, or its arguments' })
  }
  readKey(place.meta[KEY_META])
  return { ...place, name, args }
}

/** A tool as a server lists it: whoever reads it, reads what it would read from the server. */
export function asListed({ idempotent, readOnly, ...tool }: ToolInfo): JsonObject {
  return { ...tool, annotations: { idempotentHint: idempotent, readOnlyHint: readOnly } }
}
