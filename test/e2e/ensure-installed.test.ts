/** `scripts/ensure-installed.mjs` as a process, in a clone whose npm is a script of ours. */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

const script = join(import.meta.dirname, '../../scripts/ensure-installed.mjs')

/** A fresh clone; its npm writes down each run, takes `ms`, and exits with `code`. */
function clone(t: TestContext, { code = 0, ms = 0 } = {}) {
  const root = mkdtempSync(join(tmpdir(), 'p2p-install-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'scripts'))
  cpSync(script, join(root, 'scripts/ensure-installed.mjs'))
  writeFileSync(join(root, 'package.json'), '{}')
  writeFileSync(join(root, 'package-lock.json'), '{}')
  const npm = join(root, 'npm-cli.cjs')
  const runs = join(root, 'runs')
  writeFileSync(
    npm,
    `require('node:fs').appendFileSync(${JSON.stringify(runs)}, process.argv[2] + '\\n')
     console.log('npm was here')
     setTimeout(() => process.exit(${code}), ${ms})`,
  )
  const command = [join(root, 'scripts/ensure-installed.mjs')]
  const options = { env: { ...process.env, npm_execpath: npm } }
  return {
    root,
    run: () => spawnSync(process.execPath, command, options),
    start: () => spawn(process.execPath, command, { ...options, stdio: 'ignore' }),
    runs: () => (existsSync(runs) ? readFileSync(runs, 'utf8') : ''),
  }
}

test('it installs in a fresh clone, says so on standard error, and does nothing the next time', (t) => {
  const { run, runs } = clone(t)
  const { status, stdout, stderr } = run()
  assert.deepEqual([status, String(stdout), runs()], [0, '', 'install\n'])
  assert.match(String(stderr), /npm was here/)
  const again = run()
  assert.deepEqual([again.status, String(again.stderr), runs()], [0, '', 'install\n'])
})

test('it installs again when the lockfile has changed', (t) => {
  const { root, run, runs } = clone(t)
  run()
  writeFileSync(join(root, 'package-lock.json'), '{"changed":true}')
  assert.equal(run().status, 0)
  assert.equal(runs(), 'install\ninstall\n')
})

test('it fails when npm fails, and tries again the next time', (t) => {
  const { run, runs } = clone(t, { code: 1 })
  assert.equal(run().status, 1)
  assert.equal(run().status, 1)
  assert.equal(runs(), 'install\ninstall\n')
})

test('two at once install once', async (t) => {
  const { start, runs } = clone(t, { ms: 300 })
  const ends = [start(), start()].map((child) => once(child, 'exit'))
  assert.deepEqual(await Promise.all(ends), [
    [0, null],
    [0, null],
  ])
  assert.equal(runs(), 'install\n')
})

test('it takes over from an install that was killed', (t) => {
  const { root, run, runs } = clone(t)
  const { pid } = spawnSync(process.execPath, ['--version'])
  mkdirSync(join(root, 'node_modules'))
  writeFileSync(join(root, 'node_modules/.p2p-installing'), String(pid))
  assert.equal(run().status, 0)
  assert.equal(runs(), 'install\n')
})

test('what pnpm has installed, or is to install, is left to pnpm', (t) => {
  const { root } = clone(t)
  const runs = join(root, 'runs')
  const pnpm = join(root, 'pnpm.cjs')
  writeFileSync(pnpm, `require('node:fs').appendFileSync(${JSON.stringify(runs)}, 'pnpm\\n')`)
  const run = (agent: string) => {
    const env = { ...process.env, npm_execpath: pnpm, npm_config_user_agent: agent }
    return spawnSync(process.execPath, [join(root, 'scripts/ensure-installed.mjs')], { env })
  }
  assert.equal(run('pnpm/12.0.0').status, 0)
  writeFileSync(join(root, 'node_modules/.modules.yaml'), '')
  writeFileSync(join(root, 'package-lock.json'), '{"changed":true}')
  assert.equal(run('').status, 0)
  assert.equal(run('').status, 0)
  assert.equal(readFileSync(runs, 'utf8'), 'pnpm\npnpm\n')
})
