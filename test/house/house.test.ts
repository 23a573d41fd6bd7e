/** The house rules over the whole repository. Each failure names the file, the line and the rule. */

import assert from 'node:assert/strict'
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  checkArrows,
  checkDoor,
  checkExplained,
  checkExplorer,
  checkFinished,
  checkHomes,
  checkOpening,
  checkPackages,
  checkReserved,
  checkSizes,
  FLOORS,
  offersOf,
} from './rules.ts'

/** The rings of tests; `unit` stands beside the files. */
const RINGS = ['house', 'contract', 'integration', 'e2e', 'fuzz', 'interop', 'lab', 'package']

const read = (file: string) => readFileSync(file, 'utf8')
// Rings that install packages of their own have them in a folder of theirs.
const isOurs = (path: string) => !path.includes('node_modules')
const filesOf = (...patterns: string[]) =>
  patterns
    .flatMap((pattern) => globSync(pattern))
    .filter(isOurs)
    .sort()

const sources = filesOf('src/**/*.ts').filter((file) => !/\.(test|d)\.ts$/.test(file))
const doors = sources.filter((file) => /^src\/\w+\/index\.ts$/.test(file))

/** Runs one rule over files, and fails with all its complaints at once. */
function hold(rule: (file: string, text: string) => string[], files: readonly string[]): void {
  assert.ok(files.length > 0, 'a rule that looks at no file holds nothing')
  assert.deepEqual(
    files.flatMap((file) => rule(file, read(file))),
    [],
  )
}

test('imports point down, and go through the door', () => hold(checkArrows, sources))

test('each third-party package is imported where it lives, and only there', () => {
  hold(checkHomes, sources)
})

test('files, functions and lines stay small', () => hold(checkSizes, sources))

test('time, chance, errors and the environment come from one place each', () => {
  hold(checkReserved, sources)
})

test('every file opens with a comment, every door with its floor', () => {
  hold(checkOpening, sources)
})

test('doors name what they offer', () => hold(checkDoor, doors))

test('what a door offers is explained where it is declared', () => {
  const offers = doors.flatMap((door) => offersOf(door, read(door)))
  const byFile = Map.groupBy(offers, ({ from }) => from)
  const complaints = [...byFile].flatMap(([file, names]) =>
    checkExplained(
      file,
      read(file),
      names.map(({ name }) => name),
    ),
  )
  assert.deepEqual(complaints, [])
})

test('nothing is left to be done, and no test is left out', () => {
  hold(checkFinished, filesOf('src/**/*.ts', 'test/**/*.ts', 'scripts/**/*.mjs', 'bin/*'))
})

test('versions are exact, and each package has a reason on record', () => {
  const records = filesOf('docs/decisions/*.md').map(read).join('\n')
  assert.deepEqual(checkPackages(read('package.json'), records), [])
})

test('every room on disk is on a floor, and has a door', () => {
  const floors = FLOORS.flat()
  const rooms = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const { name } of rooms) {
    assert.ok(floors.includes(name), `src/${name} is on no floor`)
    // Nobody imports the top floor: it is entered through bin/.
    const door = name === 'cli' ? 'main.ts' : 'index.ts'
    assert.ok(existsSync(`src/${name}/${door}`), `src/${name} has no door`)
  }
})

test('every ring has tests', () => {
  const empty = RINGS.filter((ring) => globSync(`test/${ring}/**/*.test.ts`).length === 0)
  assert.deepEqual(empty, [])
})

test('the explorer knows the node by its client only', () => {
  const files = filesOf('explorer/**/*.{ts,tsx}').filter((file) => !file.includes('node_modules'))
  assert.deepEqual(
    files.flatMap((file) => checkExplorer(file, read(file))),
    [],
  )
})
