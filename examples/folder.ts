/** A data folder that goes with the program: examples leave nothing behind. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export async function folder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'p2p-example-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Options of a node that meets nobody but whom it is told of, on whatever ports are free. */
export function quiet(dataDir: string) {
  return { preset: 'test', dataDir, log: { level: 'warn' } } as const
}
