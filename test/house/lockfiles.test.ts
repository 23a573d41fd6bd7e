/** Both lockfiles say the same: npm's is the one that is tested, pnpm's is made from it. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const REMEDY = 'run "pnpm import" in the repository after a change of package-lock.json'

test('pnpm installs no version that npm does not', () => {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version?: string; name?: string }>>
  }
  const ours = new Set(
    Object.entries(lock.packages).map(([path, { name, version }]) => {
      return `${name ?? path.split('node_modules/').at(-1)}@${version}`
    }),
  )
  const text = readFileSync('pnpm-lock.yaml', 'utf8')
  const packages = text.slice(text.indexOf('\npackages:\n'), text.indexOf('\nsnapshots:\n'))
  const theirs = [...packages.matchAll(/^ {2}'?([^'\s:]+)'?:$/gm)].map(([, name = '']) => name)
  assert.ok(theirs.length > 100, 'pnpm-lock.yaml cannot be read')
  const strange = theirs.filter((name) => !ours.has(name))
  assert.deepEqual(strange, [], REMEDY)
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
    readFileSync('package.json', 'utf8'),
  ) as Readonly<Record<string, Readonly<Record<string, string>>>>
  const direct = { ...dependencies, ...devDependencies, ...optionalDependencies }
  const missing = Object.entries(direct).filter(([name, version]) => {
    return !theirs.includes(`${name}@${version}`)
  })
  assert.deepEqual(missing, [], REMEDY)
})
