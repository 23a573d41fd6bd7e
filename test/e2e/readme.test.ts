/** The programs in README.md, taken out of its text and run as they stand. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** The TypeScript under a heading of the README. */
function programUnder(heading: string): string {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const [, section = ''] = text.split(`\n## ${heading}\n`)
  const [, code] = /^```ts\n([\s\S]*?)^```$/m.exec(section.split('\n## ')[0] ?? '') ?? []
  assert.ok(code !== undefined, `README.md has a program under "${heading}"`)
  return code
}

/** Runs it from the repository's root, where the package finds itself by its name. */
function run(code: string): string {
  const file = join(ROOT, `.readme-${process.pid}.ts`)
  const home = mkdtempSync(join(tmpdir(), 'p2p-readme-'))
  const env = { PATH: process.env.PATH, P2P_DATA: join(home, 'data'), HOME: home, TMPDIR: home }
  try {
    // The one change: a test must not look for peers beyond this machine.
    writeFileSync(file, code.replace("preset: 'public'", "preset: 'test'"))
    const ran = spawnSync(process.execPath, [file], {
      cwd: ROOT,
      env,
      encoding: 'utf8',
      timeout: 120_000,
    })
    assert.equal(ran.status, 0, `${ran.stdout}${ran.stderr}`)
    return ran.stdout
  } finally {
    rmSync(file, { force: true })
    rmSync(home, { recursive: true, force: true })
  }
}

const linesOf = (code: string) => code.split('\n').filter((line) => line.trim() !== '').length

test('a node with a tool is ten lines, and they run', () => {
  const code = programUnder('Ten lines')
  assert.ok(linesOf(code) <= 10, `${linesOf(code)} lines`)
  assert.match(run(code), /12D3KooW[\s\S]*42/)
})

test('a useful program is fewer than fifty lines, and it runs', () => {
  const code = programUnder('A program of your own')
  assert.ok(linesOf(code) < 50, `${linesOf(code)} lines`)
  assert.match(run(code), /4 words/)
})

test('two agents that talk are about twenty lines, and they run', () => {
  const code = programUnder('Agents that write to each other')
  assert.ok(linesOf(code) <= 20, `${linesOf(code)} lines`)
  assert.match(run(code), /the answer was: hello world/)
})
