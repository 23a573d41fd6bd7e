/** What the rings ask of Node's test runner beyond what it does: to end, and to measure. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'

const SCRIPTS = join(import.meta.dirname, '../../scripts')
const ENDING = pathToFileURL(join(SCRIPTS, 'end-idle-files.mjs')).href
const STAYS = "createServer().listen(0, '127.0.0.1')"

/** Runs `body` as a file of tests: how that ended, and what was said. */
function runFile(
  t: TestContext,
  body: string,
  options: readonly string[] = ['--test-timeout=1000'],
): { status: number; said: string } {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-runner-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'one.test.mjs')
  const uses = "import { test } from 'node:test'\nimport { createServer } from 'node:net'\n"
  writeFileSync(file, `${uses}${body}\n`)
  const reporter = ['--test-reporter=tap', '--test-reporter-destination=stdout']
  const args = ['--import', ENDING, '--test', ...reporter, ...options, file]
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_V8_COVERAGE: undefined }
  const { status, stdout } = spawnSync(process.execPath, args, {
    env,
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { status: status ?? -1, said: stdout }
}

test('a file whose tests have ended is ended, and says what kept it', (t) => {
  for (const body of [
    `test('passes', () => { ${STAYS} })`,
    `test('fails', () => { ${STAYS}; throw new Error('first') })`,
    `test('never ends', async () => { ${STAYS}; await new Promise(() => {}) })`,
  ]) {
    const { status, said } = runFile(t, body)
    assert.equal(status, 1, body)
    assert.match(said, /one\.test\.mjs: its tests have ended; it is kept by .*TCP/, body)
  }
})

test('a file that ends by itself is left alone, however long its tests take', (t) => {
  const sleeps = 'await new Promise((resolve) => setTimeout(resolve, 1700))'
  const one = `async () => { ${sleeps} }`
  const both = `test('a', ${one})\ntest('b', ${one})`
  const { status, said } = runFile(t, both, ['--test-timeout=3000'])
  assert.equal(status, 0, said)
})

test('what a killed process did not write of its coverage takes nothing from the report', (t) => {
  const name = 'coverage-1-1700000000000-0.json'
  const file = `process.env.NODE_V8_COVERAGE + '/${name}'`
  const body = `
    import { utimesSync, writeFileSync } from 'node:fs'
    test('leaves an empty file', () => {
      writeFileSync(${file}, '')
      utimesSync(${file}, 1, 1)
    })`
  const counter = join(SCRIPTS, 'count-reporter.mjs')
  const counting = [`--test-reporter=${counter}`, '--test-reporter-destination=stderr']
  const alone = runFile(t, body, ['--experimental-test-coverage'])
  assert.match(alone.said, /Could not report code coverage/)
  const counted = runFile(t, body, ['--experimental-test-coverage', ...counting])
  assert.doesNotMatch(counted.said, /Could not report/)
  assert.equal(counted.status, 0, counted.said)
})
