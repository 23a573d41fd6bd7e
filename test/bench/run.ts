/**
 * `npm run bench -- <name>… | --all [--json] [--short] [--rounds N] [--write]`, and `--docs`.
 *
 *   --json     the last line of stdout is the result as one object
 *   --short    two rounds of as little as still shows that the bench works; what CI runs
 *   --write    keeps the results in test/bench/results, then does what --docs does
 *   --docs     writes docs/benchmarks.md from the results that are kept
 *
 * Ends with 1 when a bench fails or leaves out what it promises. A missed goal is reported, and
 * is no failure: machines differ.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Bench, type Result, runBench } from './harness.ts'
import { BENCH_FOLDER } from './harness-machine.ts'
import { pageOf, tableOf } from './report.ts'

const RESULTS = join(BENCH_FOLDER, 'results')
const PEERS = join(BENCH_FOLDER, 'peers')
const PAGE = join(dirname(dirname(BENCH_FOLDER)), 'docs', 'benchmarks.md')
const ROUNDS = { short: 2, full: 5 }
/** In the order of the page. A file that is named here and not there is left out of `--all`. */
const BENCHES = [
  'connect',
  'rtt',
  'throughput',
  'mcp',
  'memory',
  'many',
  'dht',
  'mcp-crowd',
  'mcp-discovery',
  'messages',
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    docs: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    short: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
})
const known = BENCHES.filter((name) => existsSync(fileOf(name)))
const names = values.all ? known : positionals
const unknown = names.filter((name) => !known.includes(name))
const rounds = Number(values.rounds ?? (values.short ? ROUNDS.short : ROUNDS.full))

if (!values.docs && (names.length === 0 || unknown.length > 0)) {
  say(`usage: npm run bench -- <name>… | --all; the names are: ${known.join(', ')}\n`)
  process.exitCode = 2
} else if (!Number.isInteger(rounds) || rounds < 1 || (values.write && rounds < ROUNDS.full)) {
  say(`--rounds takes a whole number from 1, and --write at least ${ROUNDS.full} rounds\n`)
  process.exitCode = 2
} else {
  installPeers()
  for (const name of names) process.exitCode = (await runOne(name)) ? process.exitCode : 1
  if (values.docs || values.write) await writePage()
}

async function runOne(name: string): Promise<boolean> {
  const { short, json, write } = values
  try {
    const bench = await load(name)
    const result = await runBench(bench, { short, rounds, progress: (line) => say(`${line}\n`) })
    if (write) writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`)
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : tableOf(bench, result))
    return true
  } catch (error) {
    say(`bench ${name} failed: ${error instanceof Error ? error.stack : String(error)}\n`)
    return false
  }
}

async function writePage(): Promise<void> {
  const kept = globSync(join(RESULTS, '*.json')).map((file) => basename(file, '.json'))
  const all: { bench: Bench; result: Result }[] = []
  for (const name of BENCHES.filter((bench) => kept.includes(bench))) {
    const text = readFileSync(join(RESULTS, `${name}.json`), 'utf8')
    all.push({ bench: await load(name), result: JSON.parse(text) as Result })
  }
  writeFileSync(PAGE, pageOf(all))
}

async function load(name: string): Promise<Bench> {
  return ((await import(fileOf(name))) as { bench: Bench }).bench
}

/** Counterparts that only benches need are installed by them alone. */
function installPeers(): void {
  if (existsSync(join(PEERS, 'node_modules'))) return
  const run = spawnSync('npm', ['install', '--no-audit', '--no-fund'], {
    cwd: PEERS,
    stdio: ['ignore', 2, 2],
  })
  if (run.status !== 0) throw new TypeError(`npm install in ${PEERS} failed`)
}

function fileOf(name: string): string {
  return join(BENCH_FOLDER, `${name}.ts`)
}

function say(text: string): void {
  process.stderr.write(text)
}
