import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ArgRule, isSoundPath, passes } from './capability-rules.ts'

const inX: ArgRule = { kind: 'prefix', path: '/x' }

for (const path of ['/x', '/x/', '/x/y', '/x/./y', '//x//y', '/x/..y', '/x/a b']) {
  test(`a path inside the folder passes: ${path}`, () => assert.ok(passes(inX, path)))
}

const OUTSIDE = [
  '/xy',
  '/',
  'x',
  'x/y',
  '',
  '/x/..',
  '/x/../etc/passwd',
  '/x/y/../../etc',
  '/x/.. /etc',
  '/x/.../y',
  '/x/..\u0000/y',
  '/x\\..\\etc',
  '/x/%2e%2e/etc',
  '/x/%2E./etc',
  '/x%2fy',
  '/x/%252e%252e/etc',
  '/x/a\nb',
  '/X/y',
  `/x/${'y'.repeat(5_000)}`,
]

for (const path of OUTSIDE) {
  test(`a path that leaves the folder, or might, does not: ${JSON.stringify(path.slice(0, 30))}`, () => {
    assert.equal(passes(inX, path), false)
  })
}

test('a list passes when each of its items does, and an empty one does not', () => {
  assert.ok(passes(inX, ['/x/a', '/x/b']))
  for (const value of [['/x/a', '/y'], [], [['/x/a']], new Array(1_001).fill('/x/a')]) {
    assert.equal(passes(inX, value), false)
  }
})

test('what is missing, or of another type, passes no rule', () => {
  const rules: readonly ArgRule[] = [
    inX,
    { kind: 'equals', value: 1 },
    { kind: 'oneof', values: ['1', true] },
    { kind: 'max', limit: 10 },
  ]
  for (const rule of rules) {
    for (const value of [undefined, null, {}, { '0': 1 }, Number.NaN]) {
      assert.equal(passes(rule, value), false, `${rule.kind} ${JSON.stringify(value)}`)
    }
  }
})

test('rules compare without converting', () => {
  assert.equal(passes({ kind: 'max', limit: 1 }, JSON.parse('-1e400')), false)
  assert.equal(passes({ kind: 'equals', value: 1 }, '1'), false)
  assert.equal(passes({ kind: 'oneof', values: ['a', 2] }, 2), true)
  assert.equal(passes({ kind: 'max', limit: 3 }, 3.5), false)
  assert.equal(passes({ kind: 'max', limit: 3 }, 2.5), true)
  assert.equal(passes({ kind: 'max', limit: 3 }, '2'), false)
})

test('a folder that servers may read in several ways is none to grant', () => {
  for (const path of ['', '/x/../y', '/x\\y', '/%2e%2e', '/x\u0007'])
    assert.equal(isSoundPath(path), false)
  for (const path of ['/', '/x', 'x/y', 'https://host/x']) assert.equal(isSoundPath(path), true)
})
