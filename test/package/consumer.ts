/**
 * Somebody who installs the package: an empty folder, the tarball, and nothing of this repository.
 *
 * The folder stays under `.tools/`, so that a second run finds npm's work done; what it holds is
 * installed again whenever the tarball differs.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const REPOSITORY = resolve(import.meta.dirname, '../..')
const TOOLS = join(REPOSITORY, '.tools')
const NPM_TIMEOUT_MS = 240_000

/** The oldest Node that the package promises to run on, and the newest of each later line. */
const NODES = { 22: '22.19.0', 24: '24.21.0', 26: '26.10.0' } as const

export interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; a test looks at how that was. */
export function run(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Ran {
  const { cwd = REPOSITORY, env = process.env, timeoutMs = 60_000 } = options
  const shell = process.platform === 'win32' && file === 'npm'
  return spawnSync(file, args, { cwd, env, encoding: 'utf8', timeout: timeoutMs, shell })
}

/** Runs what must succeed, and returns what it said. */
export function must(...given: Parameters<typeof run>): string {
  const { status, stdout, stderr } = run(...given)
  assert.equal(status, 0, `${given[0]} ${given[1].join(' ')}\n${stdout}\n${stderr}`)
  return stdout
}

/** Builds the package and returns the path of its tarball. */
export function pack(): string {
  const said = must(process.execPath, ['scripts/pack.mjs'], { timeoutMs: NPM_TIMEOUT_MS })
  return said.trim().split('\n').at(-1) ?? ''
}

/** Installs the tarball and a compiler into a folder that has neither; returns the folder. */
export function install(tarball: string): string {
  const folder = join(TOOLS, 'consumer')
  const mark = join(folder, 'node_modules', '.tarball')
  const bytes = readFileSync(tarball)
  const hash = createHash('sha256').update(bytes).digest('hex')
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== hash) {
    // Only what is ours: the rest of what npm brought is the same as before.
    rmSync(join(folder, 'node_modules/p2p-foundation'), { recursive: true, force: true })
    rmSync(join(folder, 'package-lock.json'), { force: true })
    npmInstall(folder, [tarball, `typescript@${versionOf('typescript')}`, typesNode()])
    writeFileSync(mark, hash)
  }
  for (const name of readdirSync(folder)) {
    if (!/^(node_modules|package(-lock)?\.json)$/.test(name)) {
      rmSync(join(folder, name), { recursive: true })
    }
  }
  return folder
}

const typesNode = () => `@types/node@${versionOf('@types/node')}`

function versionOf(name: string): string {
  const file = join(REPOSITORY, 'node_modules', name, 'package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function npmInstall(folder: string, packages: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts']
  must('npm', ['install', ...quiet, ...packages], { cwd: folder, timeoutMs: NPM_TIMEOUT_MS })
}

/** The executables of the Nodes to try, each brought by npm when it is not there yet. */
export function nodes(): { version: string; node: string }[] {
  const system = process.platform === 'win32' ? 'win' : process.platform
  const bin = system === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'
  const name = `${bin}-${system}-${process.arch}`
  return Object.entries(NODES).map(([line, version]) => {
    const folder = join(TOOLS, 'node', line)
    const file = process.platform === 'win32' ? 'node.exe' : 'node'
    const node = join(folder, 'node_modules', name, 'bin', file)
    const found = existsSync(node) ? run(node, ['--version']).stdout.trim() : ''
    if (found !== `v${version}`) npmInstall(folder, [`${name}@${version}`])
    return { version, node }
  })
}

/** The programs that a document shows: its fenced blocks in that language, in order. */
export function programsOf(document: string, language: 'ts' | 'js'): string[] {
  const text = readFileSync(join(REPOSITORY, document), 'utf8')
  const blocks = text.matchAll(/^```(\w+)\n(.*?)^```$/gms)
  return [...blocks].filter(([, of]) => of === language).map(([, , code = '']) => code)
}
