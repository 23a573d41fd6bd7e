/**
 * `npm run ci`: everything that must hold before a change lands, one after the other, all of it
 * even when something fails; the last line says how it went.
 */

import { spawnSync } from 'node:child_process'
import { runRing } from './rings.mjs'

const total = { passed: 0, failed: 0, skipped: 0 }

const step = (title, work) => {
  const started = Date.now()
  console.log(`\n== ${title}`)
  const { passed, failed, skipped, exitCode } = work()
  total.passed += passed
  total.failed += exitCode === 0 ? failed : Math.max(1, failed)
  total.skipped += skipped
  console.log(`== ${title}: ${exitCode === 0 ? 'ok' : 'FAILED'}, ${seconds(started)} s`)
}

const seconds = (started) => Math.round((Date.now() - started) / 100) / 10

const check = () => {
  const run = spawnSync('npm', ['run', '--silent', 'check'], { stdio: 'inherit' })
  const ok = run.status === 0
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, exitCode: ok ? 0 : 1 }
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

const bench = () => {
  const args = ['test/bench/run.ts', '--all', '--short', '--rounds', '1']
  const run = spawnSync(process.execPath, args, { stdio: 'inherit' })
  const ok = run.status === 0
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, exitCode: ok ? 0 : 1 }
}

const [only] = process.argv.slice(2)
if (only !== '--after-test') step('npm test', () => runRing('test'))
step('npm run check', check)
step('rules', rules)
step('package', () => runRing('package'))
step('interop', () => runRing('interop'))
step('inference', () => runRing('inference'))
step('conformance', () => runRing('conformance'))
step('lab', () => runRing('lab'))
step('sim', () => runRing('sim'))
step('fuzz', () => runRing('fuzz', { env: { FUZZ_CASES: '10000', FUZZ_SEED: '2' } }))
// A figure of one short round says nothing; that every bench still runs does. Needs namespaces.
step('benches', bench)

console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed === 0 ? 0 : 1
