import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { utf8 } from '../base/index.ts'
import { LastLines } from './last-lines.ts'

test('LastLines keeps the last ten, and tells each once', () => {
  const told: string[] = []
  const lines = new LastLines((line) => void told.push(line))
  lines.push(utf8(Array.from({ length: 12 }, (_, i) => `line ${i}\n`).join('')))
  assert.equal(told.length, 12)
  assert.deepEqual(lines.lines.slice(0, 1), ['line 2'])
  lines.push(utf8('unfinished'))
  assert.equal(lines.lines.at(-1), 'unfinished')
  assert.equal(lines.lines.length, 10)
})

test('LastLines cuts a line that never ends, wherever the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 10 }), (pieces) => {
      const lines = new LastLines((line) => assert.ok(line.length <= 1_000))
      for (const piece of pieces) lines.push(piece)
      for (const line of lines.lines) assert.ok(line.length <= 1_000)
    }),
  )
  const lines = new LastLines(() => {})
  lines.push(utf8('x'.repeat(5_000)))
  lines.push(utf8('y\nnext\n'))
  assert.deepEqual(lines.lines, ['x'.repeat(1_000), 'next'])
})
