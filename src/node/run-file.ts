/**
 * `node.json` in the data folder: where the running node can be reached. JSON with the keys
 *
 *   pid, peerId, api, mcp, grpc (null while there is none), listen, startedAt (ISO 8601)
 *
 * It is written whole or not at all, and removed when the node stops. One that a crash left behind
 * names a port where nobody answers, which is how its readers find out.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isJsonObject, type Json, parseJson } from '../wire/index.ts'
import { NodeError } from './errors.ts'

export const RUN_FILE = 'node.json'
const BYTES_MAX = 65_536

export interface RunFile {
  readonly pid: number
  readonly peerId: string
  /** Base URL of the control API, such as `http://127.0.0.1:9002`. */
  readonly api: string
  /** URL of the MCP gateway; null while it is off. */
  readonly mcp: string | null
  readonly grpc: string | null
  readonly listen: readonly string[]
  readonly startedAt: string
}

/** Resolves with `undefined` where no node has written one. */
export async function readRunFile(dataDir: string): Promise<RunFile | undefined> {
  const file = join(dataDir, RUN_FILE)
  try {
    const text = await readFile(file, 'utf8')
    return runFileFrom(parseJson(text, RUN_FILE, { bytesMax: BYTES_MAX }), file)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw NodeError.RUN_FILE_MALFORMED({ file }, error)
  }
}

function runFileFrom(value: Json, file: string): RunFile {
  if (isJsonObject(value)) {
    const { pid, peerId, api, mcp, grpc, listen, startedAt } = value
    if (
      typeof pid === 'number' &&
      typeof peerId === 'string' &&
      typeof api === 'string' &&
      isTextOrNull(mcp) &&
      isTextOrNull(grpc) &&
      isTexts(listen) &&
      typeof startedAt === 'string'
    ) {
      return { pid, peerId, api, mcp, grpc, listen, startedAt }
    }
  }
  throw NodeError.RUN_FILE_MALFORMED({ file })
}

function isTextOrNull(value: Json | undefined): value is string | null {
  return value === null || typeof value === 'string'
}

function isTexts(value: Json | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
