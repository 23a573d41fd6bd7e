import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CounterWindow } from './datagram-window.ts'

test('a window takes each counter once, and none below those it remembers', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 300 }), (counters) => {
      const window = new CounterWindow()
      const taken = new Set<number>()
      for (const counter of counters) {
        const isNew = !window.has(counter)
        if (taken.has(counter)) assert.ok(!isNew, 'a counter was taken twice')
        const above = [...taken].filter((one) => one > counter).length
        if (!taken.has(counter) && above < 64) assert.ok(isNew, 'a counter was refused')
        if (isNew) {
          window.add(counter)
          taken.add(counter)
        }
      }
    }),
  )
})
