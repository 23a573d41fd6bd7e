import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { LinesAhead } from './stdio-ahead.ts'
import type { Line } from './stdio-lines.ts'

const line = (size: number): Line => ({ kind: 'line', bytes: new Uint8Array(size) })

test('lines come in their order, and no more are taken ahead than may be', async () => {
  for (const [size, ahead] of [
    [1, 256],
    [400_000, 3],
  ] as const) {
    const lines = new LinesAhead()
    let pushed = 0
    const pushing = (async () => {
      for (; pushed < 300; pushed += 1) await lines.push(line(size + pushed))
      lines.end()
    })()
    await turn()
    assert.equal(pushed, ahead - 1, 'the last waits for room')
    const sizes: number[] = []
    for await (const each of lines) sizes.push(each.kind === 'line' ? each.bytes.length : 0)
    await pushing
    assert.deepEqual(
      sizes,
      Array.from({ length: 300 }, (_, n) => size + n),
    )
  }
})
