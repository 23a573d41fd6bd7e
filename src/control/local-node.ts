/** Where the node of a data folder answers, and the token that it wants. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ControlError } from './errors.ts'
import { runFile } from './shapes/api.ts'

export interface LocalNode {
  readonly url: string
  /** Of its MCP gateway; null where it has none. */
  readonly mcp: string | null
  readonly token: string
  readonly peerId: string
  /** The data folder: what errors call this node. */
  readonly name: string
  /** What a person types to start it. */
  readonly start: string
}

/** Rejects with `CONTROL_NODE_UNREACHABLE` where no node has left both files. */
export async function findLocalNode(dataDir: string, start: string): Promise<LocalNode> {
  const unreachable = (reason: string, cause?: unknown) => {
    return ControlError.NODE_UNREACHABLE({ node: dataDir, reason, start }, cause)
  }
  const read = (name: string) => readIn(dataDir, name, unreachable)
  const written = runFile.safeParse(jsonOf(await read('node.json')))
  if (!written.success) {
    throw unreachable('its node.json cannot be understood; a restart rewrites it', written.error)
  }
  const token = (await read('api.token')).trim()
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw unreachable('its api.token holds no token; remove the file, so that a start makes one')
  }
  const { api, mcp, peerId } = written.data
  return { url: reachable(api), mcp: mcp && reachable(mcp), token, peerId, name: dataDir, start }
}

/** A node that listens at every address of its host is asked over the loopback one. */
function reachable(api: string): string {
  return api.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
}

type Unreachable = (reason: string, cause: unknown) => Error

async function readIn(dataDir: string, name: string, unreachable: Unreachable): Promise<string> {
  const file = join(dataDir, name)
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    const reason =
      code === 'ENOENT' ? `there is no ${name}, so no node runs there` : `${file}: ${code}`
    throw unreachable(reason, error)
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
