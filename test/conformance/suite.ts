/** The official suite's command line against one URL, and what it wrote down of each check. */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { finished } from '../support/cli.ts'

const FOLDER = dirname(fileURLToPath(import.meta.url))
const SUITE = 'node_modules/@modelcontextprotocol/conformance/dist/index.js'
/** A whole revision takes ten seconds. */
const SUITE_TIMEOUT_MS = 300_000

export type Verdict = 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO'
/** By scenario and check; of several with one name, in the order in which they ran. */
export type Verdicts = ReadonlyMap<string, Verdict>

/** The suite and the servers of others are this ring's alone, and installed by it. */
export function installed(path: string): string {
  if (!existsSync(join(FOLDER, 'node_modules'))) {
    const words = ['install', '--no-audit', '--no-fund', '--ignore-scripts']
    const run = spawnSync('npm', words, { cwd: FOLDER, stdio: ['ignore', 2, 2] })
    assert.equal(run.status, 0, `npm install in ${FOLDER}`)
  }
  return join(FOLDER, 'node_modules', path)
}

/** Runs all that a revision asks of servers, scored or not. */
export async function runSuite(url: string, revision: string): Promise<Verdicts> {
  const out = await mkdtemp(join(tmpdir(), 'p2p-conformance-'))
  try {
    const suite = installed(SUITE.slice('node_modules/'.length))
    const words = ['server', '--url', url, '--requirements', revision, '-o', out]
    const child = spawn(process.execPath, [suite, ...words], { cwd: FOLDER })
    const { stdout, stderr } = await finished(child, SUITE_TIMEOUT_MS)
    assert.match(stdout + stderr, /Total: \d+ passed/, 'the suite ran to its end')
    return await readVerdicts(out)
  } finally {
    await rm(out, { recursive: true, force: true })
  }
}

async function readVerdicts(out: string): Promise<Verdicts> {
  const found = new Map<string, Verdict>()
  for (const folder of (await readdir(out)).toSorted()) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT/.exec(folder)?.[1] ?? folder
    const checks = JSON.parse(await readFile(join(out, folder, 'checks.json'), 'utf8')) as {
      readonly id: string
      readonly status: Verdict
    }[]
    const seen = new Map<string, number>()
    for (const { id, status } of checks) {
      const count = (seen.get(id) ?? 0) + 1
      seen.set(id, count)
      found.set(`${scenario}: ${id}${count === 1 ? '' : ` (${count})`}`, status)
    }
  }
  return found
}

/** One line for each scenario: how many checks passed, for each way side by side. */
export function sideBySide(ways: Readonly<Record<string, Verdicts>>): string[] {
  const scenarios = new Set(Object.values(ways).flatMap((found) => [...found.keys()].map(nameOf)))
  const head = ['scenario', ...Object.keys(ways)]
  const rows = [...scenarios].toSorted().map((scenario) => [
    scenario,
    ...Object.values(ways).map((found) => {
      const of = [...found].filter(([key]) => nameOf(key) === scenario)
      const passed = of.filter(([, verdict]) => verdict === 'SUCCESS').length
      return `${passed} of ${of.length}`
    }),
  ])
  const totals = Object.values(ways).map((found) => {
    return `${[...found.values()].filter((verdict) => verdict === 'SUCCESS').length}`
  })
  return [head, ...rows, ['passed in all', ...totals]].map((row) => {
    return row
      .map((cell, i) => cell.padEnd(i === 0 ? 48 : 22))
      .join('')
      .trimEnd()
  })
}

/** What passes here and not there. */
export function lost(alone: Verdicts, through: Verdicts): string[] {
  return [...alone]
    .filter(([key, verdict]) => verdict === 'SUCCESS' && through.get(key) !== 'SUCCESS')
    .map(([key]) => `${key}: ${through.get(key) ?? 'was not reached'}`)
}

function nameOf(key: string): string {
  return key.split(': ', 1)[0] ?? key
}
