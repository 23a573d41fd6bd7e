/** What a figure was measured on: a number without its machine says nothing. */

import { existsSync, readFileSync } from 'node:fs'
import { cpus, release, type as systemName, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Machine {
  readonly cores: number
  readonly model: string
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  readonly packages: Readonly<Record<string, string>>
  readonly date: string
}

export const BENCH_FOLDER = dirname(fileURLToPath(import.meta.url))
const REPOSITORY = dirname(dirname(BENCH_FOLDER))

/** This machine, with the versions of these packages and of our own. */
export function machine(packages: readonly string[]): Machine {
  const cores = cpus()
  return {
    cores: cores.length,
    model: cores[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${systemName()} ${release()}`,
    node: process.versions.node,
    packages: Object.fromEntries([
      ['p2p-foundation', versionIn(REPOSITORY)],
      ...packages.map((name) => [name, versionOf(name)]),
    ]) as Record<string, string>,
    date: new Date().toISOString().slice(0, 10),
  }
}

function versionOf(name: string): string {
  const folders = [REPOSITORY, join(BENCH_FOLDER, 'peers')]
  const found = folders.map((folder) => join(folder, 'node_modules', name)).find(existsSync)
  if (found === undefined) throw new TypeError(`package ${name} is not installed`)
  return versionIn(found)
}

function versionIn(folder: string): string {
  const text = readFileSync(join(folder, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
