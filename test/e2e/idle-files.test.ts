/** A file of tests that does not end by itself is ended, and fails: a ring never waits for ever. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'

const ENDING = pathToFileURL(join(import.meta.dirname, '../../scripts/end-idle-files.mjs')).href
const STAYS = "createServer().listen(0, '127.0.0.1')"

/** Runs `body` as a file of tests: how that ended, and what was said. */
function runFile(t: TestContext, body: string): { status: number; said: string } {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-idle-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'one.test.mjs')
  const uses = "import { test } from 'node:test'\nimport { createServer } from 'node:net'\n"
  writeFileSync(file, `${uses}${body}\n`)
  const args = ['--import', ENDING, '--test', '--test-timeout=1000', '--test-reporter=tap', file]
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_V8_COVERAGE: '' }
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
  const sleeps = 'await new Promise((resolve) => setTimeout(resolve, 700))'
  const one = `async () => { ${sleeps} }`
  const { status, said } = runFile(t, `test('a', ${one})\ntest('b', ${one})`)
  assert.equal(status, 0, said)
})
