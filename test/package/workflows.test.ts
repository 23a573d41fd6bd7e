/** What the workflows of a public repository ask for exists here. */

import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const workflows = globSync('.github/workflows/*.yml')
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  scripts: Record<string, string>
}

test('every npm script that a workflow or a document of the repository names exists', () => {
  const documents = [...workflows, ...globSync('*.md'), 'docs/start.md', 'docs/operating.md']
  const named = documents
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      const text = readFileSync(file, 'utf8')
      const words = /\bnpm run (?:--silent )?([a-z][\w:-]*)/g
      return [...text.matchAll(words)].map(([, name = '']) => `${file}: ${name}`)
    })
  assert.ok(named.length > 0)
  assert.deepEqual(
    named.filter((place) => !((place.split(': ')[1] ?? '') in scripts)),
    [],
  )
})

test('a workflow names no file that is missing, no secret, and says what it may do', () => {
  assert.ok(workflows.length > 0)
  for (const file of workflows) {
    const text = readFileSync(file, 'utf8')
    const files = [...text.matchAll(/\bnode ((?:scripts|bin|test)\/[\w./-]+)/g)]
    for (const [, path = ''] of files) assert.ok(existsSync(path), `${file}: ${path}`)
    assert.doesNotMatch(text, /\bsecrets\./, file)
    assert.match(text, /^permissions:/m, file)
    assert.doesNotMatch(text, /\t/, file)
    assert.doesNotMatch(text, /uses: (?!\.\/)[^@\n]+(?:@(?:main|master|latest))?$/m, file)
  }
})
