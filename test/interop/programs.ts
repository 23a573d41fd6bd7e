/**
 * The programs behind the peers of other makers, built where their tools can be had. Where they
 * cannot the tests say so; in CI that is a failure.
 */

import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Program {
  readonly name: 'go' | 'rust' | 'js'
  /** The library and its version, for the table. */
  readonly what: string
  readonly command: readonly string[]
}

const BUILD_MS = 20 * 60_000
const folder = join(tmpdir(), 'p2p-foundation-interop')

/** The libraries and their versions, for the table. */
export const MAKERS: Readonly<Record<Program['name'], string>> = {
  go: 'go-libp2p 0.47',
  rust: 'rust-libp2p 0.56',
  js: 'js-libp2p 3.3',
}

/** The program, or why there is none. Built once: a second call finds the build. */
export function programOf(name: Program['name']): Program | string {
  if (name === 'js') {
    const command = [process.execPath, join(import.meta.dirname, 'js', 'probe.ts')]
    return { name, what: MAKERS.js, command }
  }
  return name === 'go' ? goProgram() : rustProgram()
}

function goProgram(): Program | string {
  const out = join(folder, 'go-probe')
  const why = built('go', ['build', '-trimpath', '-o', out, '.'], {}, 'go')
  return why ?? { name: 'go', what: MAKERS.go, command: [out] }
}

function rustProgram(): Program | string {
  const target = join(folder, 'rust')
  const why = built('cargo', ['build', '--locked'], { CARGO_TARGET_DIR: target }, 'rust')
  const command = [join(target, 'debug', 'rust-probe')]
  return why ?? { name: 'rust', what: MAKERS.rust, command }
}

function built(
  tool: string,
  words: readonly string[],
  env: Readonly<Record<string, string>>,
  where: string,
): string | undefined {
  const run = spawnSync(tool, words, {
    cwd: join(import.meta.dirname, where),
    env: { ...process.env, PATH: searched(), ...env },
    timeout: BUILD_MS,
    encoding: 'utf8',
  })
  if (run.error !== undefined) return `needs ${tool}, which does not start: ${run.error.message}`
  if (run.status === 0) return undefined
  return `${tool} cannot build the peer: ${run.stderr.slice(-2_000)}`
}

/** Where the tools' own installers put them, when a shell's profile has not said so. */
function searched(): string {
  const homes = ['/usr/local/go/bin', join(process.env.HOME ?? '/root', '.cargo', 'bin')]
  return [process.env.PATH ?? '', ...homes].join(':')
}
