/**
 * `docs/reference/` says what the code says: every error, metric, key, command, option and
 * operation that exists, and nothing else.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { shownCommands } from '../../scripts/reference/cli.ts'
import { knownErrors } from '../../scripts/reference/errors.ts'
import { shownOperations } from '../../scripts/reference/http.ts'
import { knownMetrics } from '../../scripts/reference/metrics.ts'
import { ROOT, sources } from '../../scripts/reference/modules.ts'
import { referencePages, stalePages } from '../../scripts/reference.ts'
import { COMMANDS, GROUPS } from '../../src/cli/commands/index.ts'
import { GLOBAL_OPTIONS, readCommandLine } from '../../src/cli/program.ts'
import { tomlNames } from '../../src/node/toml-map.ts'
import { nodesOf, parse } from './syntax.ts'

const pages = await referencePages()

/** All nodes of the program's own text; names that only look like what is sought are in tests. */
const nodes = sources('src/**/*.ts').flatMap((file) => {
  const text = readFileSync(join(ROOT, file), 'utf8')
  // Reading is cheap, parsing is not.
  if (!/defineErrors\(|\.(counter|gauge|histogram)\(|\bflags:/.test(text)) return []
  return nodesOf(parse(file, text)).map((node) => ({ file, node }))
})

test('docs/reference is what scripts/reference.ts makes of the code', async () => {
  assert.deepEqual(await stalePages(), [], 'run: npm run docs:reference')
  assert.deepEqual(readdirSync(join(ROOT, 'docs/reference')).sort(), [...pages.keys()].sort())
})

test('every error of a table is in the reference, and nothing else', async () => {
  const declared = nodes.flatMap(({ node }) => {
    if (!ts.isCallExpression(node) || node.expression.getText() !== 'defineErrors') return []
    const [room, table] = node.arguments
    assert.ok(room && ts.isStringLiteral(room) && table && ts.isObjectLiteralExpression(table))
    return table.properties.map((row) => `${room.text}_${row.name?.getText() ?? '?'}`)
  })
  same(codes(page('errors.md')), declared)
  same(
    (await knownErrors()).map(({ code }) => code),
    declared,
  )
})

test('every metric that is made is in the reference, and nothing else', async () => {
  const made = nodes.flatMap(({ file, node }) => {
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return []
    const [name] = node.arguments
    const isMaker = ['counter', 'gauge', 'histogram'].includes(node.expression.name.text)
    if (!isMaker || name === undefined || file === 'src/base/metrics.ts') return []
    assert.ok(ts.isStringLiteral(name), `${file}: a metric whose name is not written out`)
    return [name.text]
  })
  same(codes(page('metrics.md')), made)
  same(
    (await knownMetrics()).map(({ name }) => name),
    made,
  )
})

test('every key of the configuration is in the reference, and nothing else', () => {
  const sections = page('config.md').split(/^## /m).slice(1)
  const shown = sections.flatMap((text) => {
    const section = /^\[(\w+)\]/.exec(text)?.[1]
    return section === undefined ? [] : codes(text).map((key) => `${section}.${key}`)
  })
  same(shown, tomlNames())
})

test('every command and option is in the reference, and nothing else', () => {
  const titles = [...page('cli.md').matchAll(/^##+ p2p (.+)$/gm)].map(([, name = '']) => name)
  const groups = Object.keys(GROUPS)
  same(
    titles.filter((name) => !groups.includes(name) || COMMANDS.some((one) => one.name === name)),
    COMMANDS.filter(({ hidden }) => hidden !== true).map(({ name }) => name),
  )
  const declared = nodes.flatMap(({ file, node }) => {
    if (!file.startsWith('src/cli/') || !ts.isPropertyAssignment(node)) return []
    if (node.name.getText() !== 'flags' || !ts.isStringLiteral(node.initializer)) return []
    return [node.initializer.text]
  })
  same([...new Set(codes(page('cli.md')))], [...new Set(declared)])
})

test('what the reference shows of a command is what its --help shows', () => {
  const program = { commands: COMMANDS, groups: GROUPS, version: '0.0.0' }
  for (const { name, options = [], summary } of shownCommands()) {
    const asked = readCommandLine([...name.split(' '), '--help'], program)
    assert.ok(asked.kind === 'show')
    for (const { flags } of [...options, ...GLOBAL_OPTIONS]) {
      assert.ok(asked.text.includes(flags), `p2p ${name} --help shows ${flags}`)
    }
    assert.ok(asked.text.replace(/\s+/g, ' ').includes(summary), `p2p ${name} --help: ${summary}`)
  }
})

test('every operation of the API is in the reference, and nothing else', () => {
  const titles = [...page('http.md').matchAll(/^## ([A-Z]+ \/.*)$/gm)].map(([, name = '']) => name)
  same(
    titles,
    shownOperations().map(([, { method, path }]) => `${method} ${path}`),
  )
})

function page(name: string): string {
  return pages.get(name) ?? assert.fail(`there is no page ${name}`)
}

/** The first cell of each row of each table, where it is code. */
function codes(text: string): string[] {
  return [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name = '']) => name)
}

function same(found: readonly string[], wanted: readonly string[]): void {
  assert.ok(wanted.length > 0)
  assert.deepEqual([...found].sort(), [...wanted].sort())
}
