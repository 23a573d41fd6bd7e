/**
 * `npm run rules`: takes one rule at a time out of a copy of the code and runs the tests that must
 * then fail. A rule whose absence no test notices is not tested.
 *
 * `test/rules.json` lists them: the rule, the file, the text that holds it, what stands there once
 * it is gone, and the tests that notice. Text that is no longer found once is an error too.
 * `npm run rules -- <words>` takes out only those whose name or file has one of the words.
 */

import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ENDING } from './rings.mjs'

const root = resolve(import.meta.dirname, '..')
const words = process.argv.slice(2)
const rules = JSON.parse(readFileSync(join(root, 'test/rules.json'), 'utf8')).filter(
  ({ rule, file }) =>
    words.length === 0 || words.some((word) => rule.includes(word) || file.includes(word)),
)
const copy = mkdtempSync(join(tmpdir(), 'p2p-rules-'))

const runTests = (files) => {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(copy, '.cache'), NODE_V8_COVERAGE: '' }
  const options = ['--test', '--test-timeout=15000', '--test-reporter=dot']
  const args = ['--import', ENDING, ...options, ...files]
  return spawnSync(process.execPath, args, { cwd: copy, env, encoding: 'utf8' }).status === 0
}

/** Many rules share their tests: those run once with every rule in place. */
const passed = new Map()
const passWithTheRules = (files) => {
  const key = files.join('\n')
  if (!passed.has(key)) passed.set(key, runTests(files))
  return passed.get(key)
}

let noticed = 0
let unnoticed = 0
try {
  for (const part of ['src', 'test', 'bin', 'scripts', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(copy, part), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  for (const { rule, file, has, becomes, tests } of rules) {
    const path = join(copy, file)
    const text = readFileSync(path, 'utf8')
    if (text.split(has).length !== 2) {
      console.log(`✗ ${rule}: ${file} does not hold exactly once: ${has}`)
      unnoticed += 1
      continue
    }
    if (!passWithTheRules(tests)) {
      console.log(`✗ ${rule}: its tests fail even with the rule: ${tests.join(' ')}`)
      unnoticed += 1
      continue
    }
    writeFileSync(
      path,
      text.replace(has, () => becomes),
    )
    const survives = runTests(tests)
    writeFileSync(path, text)
    console.log(`${survives ? '✗' : '✓'} without the ${rule}: ${survives ? 'no' : 'a'} test fails`)
    if (survives) unnoticed += 1
    else noticed += 1
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
console.log(`${noticed} passed, ${unnoticed} failed`)
process.exitCode = unnoticed === 0 ? 0 : 1
