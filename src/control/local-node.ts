/** Where the node of a data folder answers, and the token that it wants. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ControlError } from './errors.ts'
import { runFile } from './shapes/api.ts'

export interface LocalNode {
  readonly url: string
  readonly token: string
  /** The data folder: what errors call this node. */
  readonly name: string
}

/** Rejects with `CONTROL_NODE_UNREACHABLE` where no node has left both files. */
export async function findLocalNode(dataDir: string): Promise<LocalNode> {
  const written = runFile.safeParse(jsonOf(await read(dataDir, 'node.json')))
  if (!written.success) {
    const reason = 'its node.json cannot be understood; restart the node to rewrite it'
    throw ControlError.NODE_UNREACHABLE({ node: dataDir, reason }, written.error)
  }
  const token = (await read(dataDir, 'api.token')).trim()
  return { url: written.data.api, token, name: dataDir }
}

async function read(dataDir: string, name: string): Promise<string> {
  const file = join(dataDir, name)
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    const reason =
      code === 'ENOENT' ? `there is no ${name}, so no node runs there` : `${file}: ${code}`
    throw ControlError.NODE_UNREACHABLE({ node: dataDir, reason }, error)
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
