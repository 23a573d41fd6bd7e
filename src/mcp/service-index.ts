/**
 * The names under which services stand in the DHT, and the index of one peer's services.
 *
 * Kademlia finds exact keys only. Provider records under `mcp:service:<name>`, `mcp:tool:<name>`,
 * `mcp:tag:<tag>` and `mcp:any` say which peers to look at; the index says which services a peer
 * has, so that somebody who knows only a tool's name finds the descriptors.
 *
 * The index is UTF-8 JSON without white space, keys in this order, at most 8 KiB:
 *
 *   v         1
 *   peer      who offers the services; must be who signed the record
 *   services  at most 32 service names, sorted, each once
 */

import { equalBytes, fromUtf8, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { isJsonObject, parseJson } from '../wire/index.ts'
import { isServiceName } from './descriptor.ts'
import { McpError } from './errors.ts'

export const SERVICES_MAX = 32
const INDEX_BYTES_MAX = 8 * 1024
/** In the place of a service's name; no service can be published under it. */
export const INDEX_NAME = '0-index'

export const ANY_SERVICE = 'mcp:any'

export function serviceProvider(service: string): string {
  return `mcp:service:${service}`
}

export function toolProvider(tool: string): string {
  return `mcp:tool:${tool}`
}

export function tagProvider(tag: string): string {
  return `mcp:tag:${tag}`
}

/** Where a service's descriptor stands; `INDEX_NAME` instead of a service gives the index. */
export function descriptorKey(service: string, peer: PeerId): string {
  return `/mcp/${service}/${peer}`
}

export function encodeIndex(peer: PeerId, services: readonly string[]): Uint8Array {
  const sorted = [...new Set(services)].sort().slice(0, SERVICES_MAX)
  return utf8(JSON.stringify({ v: 1, peer, services: sorted }))
}

/** The services that `peer` says it has; anything but the canonical form is refused. */
export function decodeIndex(bytes: Uint8Array, peer: PeerId): readonly string[] {
  if (bytes.length > INDEX_BYTES_MAX) throw invalid(`${bytes.length} bytes`)
  const services = parseServices(bytes)
  if (services.length > SERVICES_MAX) throw invalid(`${services.length} services`)
  const names = services.filter((name) => typeof name === 'string' && isServiceName(name))
  if (!equalBytes(encodeIndex(peer, names as string[]), bytes)) {
    throw invalid('another form than the canonical one')
  }
  return names as string[]
}

function parseServices(bytes: Uint8Array): readonly unknown[] {
  try {
    const limits = { bytesMax: INDEX_BYTES_MAX, depthMax: 2, valuesMax: 64 }
    const value = parseJson(fromUtf8(bytes), 'index', limits)
    const { services } = isJsonObject(value) ? value : {}
    if (Array.isArray(services)) return services
  } catch (cause) {
    throw invalid('no JSON within the limits', cause)
  }
  throw invalid('no list of services')
}

function invalid(found: string, cause?: unknown) {
  return McpError.DESCRIPTOR_INVALID({ found }, cause)
}
