/** Every program in `examples` as a process of its own: it checks itself and says so by its end. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** What the programs share, and no program itself. */
const SHARED = ['examples/folder.ts', 'examples/layers/hosts.ts']

const programs = globSync('examples/**/*.ts', { cwd: ROOT }).filter((file) => {
  return !SHARED.includes(file.replaceAll('\\', '/'))
})

/** Resolves with its exit code and all that it wrote. */
function run(file: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [file], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: '/nonexistent' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}

test('there are programs to run', () => assert.ok(programs.length >= 15, String(programs)))

for (const file of programs.sort()) {
  test(`${relative('.', file)} does what it says`, async () => {
    const { code, output } = await run(file)
    assert.equal(code, 0, output)
    assert.notEqual(output, '', 'it says what it did')
  })
}
