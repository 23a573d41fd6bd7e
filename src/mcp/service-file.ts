/**
 * Detached services on disk: `services.json`, for the owner's eyes only, because commands and
 * environments hold secrets. Replaced whole: written beside, forced to disk, renamed over.
 *
 *   { "v": 1, "services": [ { "name": …, "source": { … } }, … ] }
 */

import { readFile } from 'node:fs/promises'
import { hasCode, writeWhole } from '../base/index.ts'
import { isJsonObject, parseJson } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { readServiceSpec } from './spec.ts'
import type { ServiceSpec } from './tool.ts'

/** More services than a node has reason for; each costs a process at all times. */
export const SERVICES_MAX = 64
const FILE_BYTES_MAX = 4 * 1024 * 1024
const VERSION = 1

/** The services kept; none when there is no file. */
export async function loadServices(path: string): Promise<readonly ServiceSpec[]> {
  const text = await readText(path)
  if (text === undefined) return []
  try {
    const value = parseJson(text, 'services file', { bytesMax: FILE_BYTES_MAX })
    const { v, services } = isJsonObject(value) ? value : {}
    if (v !== VERSION || !Array.isArray(services) || services.length > SERVICES_MAX) {
      throw McpError.SERVICES_FILE({ path, found: `no list of services of version ${VERSION}` })
    }
    return services.map(readServiceSpec)
  } catch (error) {
    if (hasCode(error, 'MCP_SERVICES_FILE')) throw error
    const found = error instanceof Error ? error.message : 'something unreadable'
    throw McpError.SERVICES_FILE({ path, found }, error)
  }
}

export async function saveServices(path: string, services: readonly ServiceSpec[]): Promise<void> {
  const text = `${JSON.stringify({ v: VERSION, services }, undefined, 2)}\n`
  try {
    await writeWhole(path, text)
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : 'an unknown reason'
    throw McpError.SERVICES_NOT_KEPT({ path, found }, cause)
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    const found = error instanceof Error ? error.message : 'it cannot be read'
    throw McpError.SERVICES_FILE({ path, found }, error)
  }
}
