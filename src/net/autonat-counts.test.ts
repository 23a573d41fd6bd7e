import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { AutonatCounts } from './autonat-counts.ts'

const nothing = () => undefined

test('a host may wait with four streams, and with another once one of them is over', () => {
  const counts = new AutonatCounts(new FakeClock())
  const [first] = [1, 2, 3, 4].map(() => counts.wait('8.8.8.8', nothing))
  assert.equal(counts.wait('8.8.8.8', nothing), undefined)
  assert.ok(counts.wait('9.9.9.9', nothing) !== undefined)
  first?.()
  first?.()
  assert.ok(counts.wait('8.8.8.8', nothing) !== undefined)
  assert.equal(counts.wait('8.8.8.8', nothing), undefined)
})

test('the addresses of one IPv6 /56 are one host; without addresses there is none', () => {
  const counts = new AutonatCounts(new FakeClock())
  for (let i = 0; i < 4; i += 1) counts.wait(`2a00:1:1:${i}::1`, nothing)
  assert.equal(counts.wait('2a00:1:1:44::1', nothing), undefined)
  for (let i = 0; i < 40; i += 1) assert.ok(counts.wait(undefined, nothing) !== undefined)
})

test('when 64 wait, who has waited longest makes room', () => {
  const counts = new AutonatCounts(new FakeClock())
  const gone: number[] = []
  for (let i = 0; i < 66; i += 1) {
    assert.ok(counts.wait(`8.8.${i}.1`, () => gone.push(i)) !== undefined)
  }
  assert.deepEqual(gone, [0, 1])
})

test('six requests a minute are let in for a host, sixty in all', async () => {
  const clock = new FakeClock()
  const counts = new AutonatCounts(clock)
  const admitted = (hosts: number, each: number) => {
    let count = 0
    for (let i = 0; i < hosts * each; i += 1) {
      if (counts.admit(`8.8.${i % hosts}.1`)) count += 1
    }
    return count
  }
  assert.equal(admitted(1, 10), 6)
  await clock.advance(60_000)
  assert.equal(admitted(20, 4), 60)
})

test('eight dials run at once, and one that is over counts once', () => {
  const counts = new AutonatCounts(new FakeClock())
  const done = Array.from({ length: 8 }, () => counts.dial())
  assert.equal(counts.dial(), undefined)
  done[0]?.()
  done[0]?.()
  assert.ok(counts.dial() !== undefined)
  assert.equal(counts.dial(), undefined)
})

test('whoever comes and goes, no host and nobody in all waits beyond the bounds', () => {
  const step = fc.record({ host: fc.nat(30), leaves: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const counts = new AutonatCounts(new FakeClock())
      const open: { host: number; leave: () => void; isOver: boolean }[] = []
      for (const { host, leaves } of steps) {
        const mine = open.filter((one) => !one.isOver && one.host === host)
        const [first] = mine
        if (leaves && first !== undefined) {
          first.leave()
          first.isOver = true
          continue
        }
        const entry = { host, leave: nothing as () => void, isOver: false }
        const leave = counts.wait(`8.${host}.1.1`, () => {
          entry.isOver = true
        })
        assert.equal(leave === undefined, mine.length >= 4)
        if (leave !== undefined) open.push(Object.assign(entry, { leave }))
        assert.ok(open.filter(({ isOver }) => !isOver).length <= 64)
      }
    }),
  )
})
