/**
 * `npm run ci`: everything that must hold before a change lands, all of it even when something
 * fails; the last line says how it went.
 *
 * Steps that say nothing of time run two at a time, each in a process of its own whose output is
 * shown when it ends; the others have the machine for themselves.
 */

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { COMPILED, runRing } from './rings.mjs'

const FAILED = { passed: 0, failed: 1, skipped: 0, exitCode: 1 }

const whole = (command, args) => {
  const env = { ...COMPILED, ...process.env }
  const ok = spawnSync(command, args, { stdio: 'inherit', env }).status === 0
  return ok ? { passed: 1, failed: 0, skipped: 0, exitCode: 0 } : FAILED
}

/** Each line of the output is one rule, and the last one counts them. */
const rules = () => {
  const run = spawnSync(process.execPath, ['scripts/rules.mjs'], { encoding: 'utf8' })
  process.stdout.write(run.stdout)
  process.stderr.write(run.stderr)
  const [, passed = '0', failed = '1'] = /(\d+) passed, (\d+) failed\s*$/.exec(run.stdout) ?? []
  return {
    passed: Number(passed),
    failed: Number(failed),
    skipped: 0,
    exitCode: run.status === 0 ? 0 : 1,
  }
}

const benches = ['test/bench/run.ts', '--all', '--short', '--rounds', '1']

const STEPS = {
  'npm test': () => runRing('test'),
  'npm run check': () => whole('npm', ['run', '--silent', 'check']),
  rules,
  package: () => runRing('package'),
  interop: () => runRing('interop'),
  inference: () => runRing('inference'),
  chain: () => runRing('chain'),
  conformance: () => runRing('conformance'),
  lab: () => runRing('lab'),
  sim: () => runRing('sim'),
  fuzz: () => runRing('fuzz', { env: { FUZZ_CASES: '10000', FUZZ_SEED: '2' } }),
  // A figure of one short round says nothing; that every bench still runs does. Needs namespaces.
  benches: () => whole(process.execPath, benches),
}

const TOGETHER = [
  ['npm test'],
  ['npm run check', 'rules'],
  ['package', 'conformance'],
  ['interop', 'inference', 'chain'],
  ['lab'],
  ['sim', 'fuzz'],
  ['benches'],
]

const COUNTS = 'P2P_CI_COUNTS'

/** One step in a process of its own: what it counted. */
const runStep = (title, isAlone) => {
  const started = Date.now()
  const folder = mkdtempSync(join(tmpdir(), 'p2p-ci-'))
  const counts = join(folder, 'counts.json')
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--step', title], {
    stdio: ['ignore', isAlone ? 'inherit' : 'pipe', isAlone ? 'inherit' : 'pipe'],
    env: { ...process.env, [COUNTS]: counts },
  })
  const said = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => said.push(data))
  if (isAlone) console.log(`\n== ${title}`)
  return new Promise((resolve) => {
    child.on('close', () => {
      if (!isAlone) console.log(`\n== ${title}\n${Buffer.concat(said).toString()}`)
      const counted = countsIn(counts)
      rmSync(folder, { recursive: true, force: true })
      const seconds = Math.round((Date.now() - started) / 100) / 10
      console.log(`== ${title}: ${counted.exitCode === 0 ? 'ok' : 'FAILED'}, ${seconds} s`)
      resolve(counted)
    })
  })
}

const countsIn = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return FAILED
  }
}

const [option, step] = process.argv.slice(2)
if (option === '--step') {
  writeFileSync(process.env[COUNTS], JSON.stringify(STEPS[step]()))
} else {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const titles of TOGETHER) {
    if (option === '--after-test' && titles[0] === 'npm test') continue
    const all = await Promise.all(titles.map((title) => runStep(title, titles.length === 1)))
    for (const { passed, failed, skipped, exitCode } of all) {
      total.passed += passed
      total.failed += exitCode === 0 ? failed : Math.max(1, failed)
      total.skipped += skipped
    }
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  process.exitCode = total.failed === 0 ? 0 : 1
}
