/** Each house rule against a small text that breaks it, and one that does not. */

import assert from 'node:assert/strict'
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
  offersOf,
} from './rules.ts'

/** `[file, text, complaint]`; an empty complaint means that there is none. */
type Example = readonly [file: string, text: string, complaint: string]

function examples(rule: (file: string, text: string) => string[], rows: readonly Example[]): void {
  for (const [file, text, complaint] of rows) {
    const found = rule(file, text).join('; ')
    if (complaint === '') assert.equal(found, '', `${file}: ${text}`)
    else assert.ok(found.includes(complaint), `${file}: ${text}\n  said: ${found}`)
  }
}

test('arrows point down, and go through the door', () => {
  examples(checkArrows, [
    ['src/net/a.ts', "import { x } from '../base/index.ts'", ''],
    ['src/net/a.ts', "import { x } from './b.ts'", ''],
    ['src/base/a.ts', "import { x } from '../net/index.ts'", '"base" may not import "net"'],
    ['src/wire/a.ts', "import { x } from '../ip/index.ts'", '"wire" may not import "ip"'],
    ['src/net/a.ts', "import { x } from '../base/log.ts'", 'past its door'],
    ['src/net/a.ts', "import { x } from './index.ts'", 'imports its own door'],
    ['src/net/a.ts', "export { x } from '../dht/index.ts'", '"net" may not import "dht"'],
    ['src/net/a.ts', "const x = await import('../dht/index.ts')", '"net" may not import "dht"'],
    ['src/net/a.ts', "type X = import('../dht/index.ts').X", '"net" may not import "dht"'],
    ['src/net/a.ts', "import { x } from '../nowhere/index.ts'", '"net" may not import "nowhere"'],
    ['src/cellar/a.ts', '', 'room "cellar" is on no floor'],
    ['src/node/tools/a.ts', "import { x } from '../../mcp/index.ts'", ''],
    ['src/index.ts', "export { x } from './node/index.ts'", ''],
  ])
})

test('packages are imported where they live', () => {
  examples(checkHomes, [
    ['src/base/log.ts', "import pino from 'pino'", ''],
    ['src/net/a.ts', "import pino from 'pino'", '"pino" lives elsewhere'],
    ['src/mcp/a.ts', "import { z } from 'zod'", '"zod" lives elsewhere'],
    ['src/mcp/config.ts', "import { z } from 'zod'", ''],
    ['src/mcp/a.ts', "import x from 'left-pad'", '"left-pad" has no home'],
    ['src/mcp/a.ts', "import fs from 'fs'", '"fs" has no home'],
    ['src/mcp/a.ts', "import fs from 'node:fs'", ''],
    ['src/ip/address.ts', "const x = await import('ipaddr.js')", ''],
    ['src/cli/a.ts', "const x = await import('libp2p')", '"libp2p" lives elsewhere'],
    ['src/dht/a.ts', "import type { X } from '@libp2p/interface'", ''],
    ['src/net/a.ts', "import { kadDHT } from '@libp2p/kad-dht'", 'lives elsewhere'],
    ['src/base/a.ts', "import koffi from 'koffi'", 'lives elsewhere'],
  ])
})

test('the explorer knows the node by its client only', () => {
  examples(checkExplorer, [
    ['explorer/src/feed.ts', "import { connect } from 'p2p-foundation/client'", ''],
    ['explorer/src/feed.ts', "import { h } from 'preact'", ''],
    ['explorer/src/feed.ts', "import { x } from './model.ts'", ''],
    ['explorer/src/feed.ts', "import { x } from 'p2p-foundation'", 'p2p-foundation/client only'],
    ['explorer/src/feed.ts', "import { x } from '../../src/net/index.ts'", 'client only'],
  ])
})

test('files, functions and lines stay small', () => {
  const lines = (count: number) => 'x()\n'.repeat(count)
  examples(checkSizes, [
    ['a.ts', lines(300), ''],
    ['a.ts', lines(301), '301 lines'],
    ['a.ts', 'x'.repeat(100), ''],
    ['a.ts', `\n${'x'.repeat(101)}`, 'a.ts:2: 101 columns'],
    ['a.ts', `function f() {\n${lines(58)}}`, ''],
    ['a.ts', `const f = () => {\n${lines(59)}}`, 'function of 61 lines'],
    ['a.ts', `class A {\n  f() {\n${lines(59)}}\n}`, 'a.ts:2: function of 61 lines'],
    ['a.ts', 'function f(a, b, c, d) {}', ''],
    ['a.ts', 'const f = (a, b, c, d, e) => a', '5 parameters'],
    ['a.ts', 'type F = (a: 1, b: 1, c: 1, d: 1, e: 1) => void', ''],
  ])
})

test('time, chance, errors and the environment come from one place each', () => {
  examples(checkReserved, [
    ['src/net/a.ts', 'const t = Date.now()', 'use Clock'],
    ['src/net/a.ts', 'const t = new Date()', 'use Clock'],
    ['src/net/a.ts', 'const t = new Date(ms)', ''],
    ['src/net/a.ts', 'setTimeout(f, 1)', 'use Clock'],
    ['src/net/a.ts', 'globalThis.setInterval(f, 1)', 'use Clock'],
    ['src/net/a.ts', "import { setTimeout as w } from 'node:timers/promises'", 'use Clock'],
    ['src/net/a.ts', "import { setImmediate } from 'node:timers/promises'", ''],
    ['src/net/a.ts', 'AbortSignal.timeout(5)', 'use clock.deadline'],
    ['src/net/a.ts', 'Math.random()', 'use Random'],
    ['src/net/a.ts', "import { randomBytes as r } from 'node:crypto'", 'use Random'],
    ['src/net/a.ts', 'crypto.randomUUID()', 'use Random'],
    ['src/net/a.ts', 'crypto.getRandomValues(x)', 'use Random'],
    ['src/net/a.ts', "throw new Error('x')", 'use defineErrors'],
    ['src/net/a.ts', 'new AggregateError([])', ''],
    ['src/net/a.ts', 'process.env.HOME', 'use configuration'],
    ['src/net/a.ts', 'const { HOME } = process.env', 'use configuration'],
    ['src/net/a.ts', 'process.exit(1)', 'use configuration'],
    ['src/net/a.ts', 'process.argv[2]', 'use configuration'],
    ['src/net/a.ts', '// Date.now() and new Error() in a comment\nconst s = "setTimeout("', ''],
    ['src/base/clock.ts', 'setTimeout(f, Date.now())', ''],
    ['src/cli/main.ts', 'process.exit(process.env.X)', ''],
    ['src/node/load-config.ts', 'process.env.X', ''],
    ['src/node/node.ts', 'process.env.X', 'use configuration'],
    ['src/control/stdio.ts', 'process.argv', ''],
  ])
})

test('a file opens with a comment, a door with its floor', () => {
  examples(checkOpening, [
    ['src/net/a.ts', '/** What it is. */\n', ''],
    ['src/cli/main.ts', '#!/usr/bin/env node\n/** What it is. */\n', ''],
    ['src/net/a.ts', 'export const a = 1\n', 'opens without a comment'],
    ['src/net/errors.ts', 'export const a = 1\n', ''],
    ['src/cli/commands/call.ts', 'export const a = 1\n', ''],
    ['src/net/index.ts', '/** Floor 4. Peers and channels. */\n', ''],
    ['src/net/index.ts', '/**\n * Floor 4. Peers and channels.\n */\n', ''],
    ['src/net/index.ts', '/** Floor 3. Peers and channels. */\n', 'says floor 3, stands on 4'],
    ['src/net/index.ts', '/** Peers and channels. */\n', 'opens with "Floor N."'],
    ['src/index.ts', '/** The public API. */\n', ''],
  ])
})

test('a door names what it offers', () => {
  examples(checkDoor, [
    ['src/net/index.ts', "export { a } from './a.ts'", ''],
    ['src/net/index.ts', "export * from './a.ts'", 'export * hides'],
    ['src/net/index.ts', "export type * from './a.ts'", 'export * hides'],
  ])
  const door = "export { a, type B } from './a.ts'\nexport { c as d } from './sub/c.ts'"
  assert.deepEqual(offersOf('src/net/index.ts', door), [
    { name: 'a', from: 'src/net/a.ts' },
    { name: 'B', from: 'src/net/a.ts' },
    { name: 'c', from: 'src/net/sub/c.ts' },
  ])
})

test('what a door offers is explained where it is declared', () => {
  const rule = (file: string, text: string) => checkExplained(file, text, ['a'])
  examples(rule, [
    ['src/net/a.ts', "import 'x'\n/** Says. */\nexport function a() {}", ''],
    ['src/net/b.ts', '/** The file. */\nexport function a() {}', '"a" is offered'],
    ['src/net/a.ts', '/** The file. */\n\n/** Says. */\nexport const a = 1', ''],
    ['src/net/b.ts', "/** The file. */\nimport 'x'\nexport const a = 1", '"a" is offered'],
    ['src/net/a.ts', "import 'x'\nexport interface a {}", '"a" is offered'],
    ['src/net/a.ts', "import 'x'\nexport type a = 1", '"a" is offered'],
    ['src/net/a.ts', "import 'x'\n// Not for docs.\nexport class a {}", '"a" is offered'],
    ['src/net/a.ts', "import 'x'\nexport class b {}", ''],
    ['src/net/errors.ts', "import 'x'\nexport const a = 1", ''],
    ['src/net/b.ts', "const L = ['x'] as const\nexport type a = (typeof L)[number]", ''],
  ])
  const noun = (file: string, text: string) => checkExplained(file, text, ['WorkQueue', 'QDeps'])
  examples(noun, [
    ['src/base/work-queue.ts', "/** Bounded. */\nimport 'x'\nexport class WorkQueue {}", ''],
    ['src/base/work-queue.ts', "import 'x'\nexport class WorkQueue {}", '"WorkQueue" is offered'],
    ['src/base/q.ts', "/** Bounded. */\nimport 'x'\nexport class WorkQueue {}", '"WorkQueue"'],
    ['src/base/q.ts', "import 'x'\nexport interface QDeps {}", ''],
  ])
})

test('nothing is left to be done, and no test is left out', () => {
  const [later, fix, left] = ['TO' + 'DO', 'FIX' + 'ME', 'sk' + 'ip']
  examples(checkFinished, [
    ['src/net/a.ts', `// ${later}: later`, 'src/net/a.ts:1: left to be done'],
    ['src/net/a.ts', `\n// ${fix}`, 'src/net/a.ts:2: left to be done'],
    ['src/net/a.test.ts', `test.${left}('x', f)`, 'test left out'],
    ['src/net/a.test.ts', `test.${'on' + 'ly'}('x', f)`, 'test left out'],
    ['src/net/a.test.ts', `t.${left}('why')`, 'test left out'],
    ['src/net/a.test.ts', `test('x', { ${left}: true }, f)`, 'test left out'],
    ['src/net/a.test.ts', "test('x', { timeout: 1 }, f)", ''],
    ['src/net/a.ts', `stream.${left}(5)`, ''],
  ])
})

test('versions are exact, and each package has a reason on record', () => {
  const manifest = (version: string) => JSON.stringify({ devDependencies: { pino: version } })
  assert.deepEqual(checkPackages(manifest('1.2.3'), 'We take `pino` for logs.'), [])
  assert.deepEqual(checkPackages(manifest('1.2.3-beta.1'), '`pino`'), [])
  for (const version of ['^1.2.3', '~1.2.3', '1.x', '*', 'latest', '>=1.2.3', '1.2']) {
    assert.equal(checkPackages(manifest(version), '`pino`').length, 1, version)
  }
  assert.match(checkPackages(manifest('1.2.3'), 'pino-pretty')[0] ?? '', /names `pino`/)
})
