import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PeerId } from '../identity/index.ts'
import { Gaps, LINES_MAX, MISSING_ALL_MAX, MISSING_MAX, TRIES_MAX } from './gaps.ts'
import { COUNTS_MAX } from './repair-protocol.ts'

const [a, b] = ['a', 'b'] as [PeerId, PeerId]
const [p, q] = ['p', 'q'] as [PeerId, PeerId]

function setup() {
  const gaps = new Gaps({ patienceMs: 2_000 })
  const note = (count: number, { author = a, run = 1, nowMs = 0, wire = 't' } = {}) =>
    gaps.note(wire, author, { run, count }, nowMs)
  const missing = (author = a) =>
    gaps
      .due(Number.POSITIVE_INFINITY)
      .filter((gap) => gap.author === author)
      .flatMap(({ counts }) => counts)
  return { gaps, note, missing }
}

test('what lies between two counts is missing until it comes; what lies before the first is not', () => {
  const { gaps, note, missing } = setup()
  note(10)
  note(11)
  assert.equal(gaps.size, 0)
  note(14)
  assert.deepEqual(missing(), [12, 13])
  assert.ok(gaps.isMissing('t', a, { run: 1, count: 12 }))
  note(12)
  assert.deepEqual(missing(), [13])
  for (const [wire, author, run] of [
    ['t', a, 1],
    ['t', b, 1],
    ['t', a, 2],
    ['u', a, 1],
  ] as const) {
    const is = gaps.isMissing(wire, author, { run, count: 13 })
    assert.equal(is, wire === 't' && author === a && run === 1)
  }
})

test('a gap is asked for when it is older than the paths of the mesh differ', () => {
  const { gaps, note } = setup()
  note(1)
  note(3, { nowMs: 100 })
  assert.deepEqual(gaps.due(2_099), [])
  assert.deepEqual(gaps.due(2_100), [
    { wire: 't', author: a, run: 1, counts: [2], asked: new Set() },
  ])
})

test('a gap is asked of one peer after the other, and given up after three', () => {
  const { gaps, note } = setup()
  note(1)
  note(3)
  let nowMs = 2_000
  for (let i = 0; i < TRIES_MAX; i += 1) {
    const [gap] = gaps.due(nowMs)
    assert.ok(gap)
    assert.equal(gaps.giveUp(nowMs), 0)
    // The last time there is nobody left.
    gaps.asking(gap, [p, q][i], nowMs)
    assert.deepEqual(gaps.due(nowMs), [])
    nowMs += 2_000
  }
  const [gap] = gaps.due(nowMs)
  assert.ok(gap)
  assert.deepEqual(gap.asked, new Set([p, q]))
  assert.deepEqual([gaps.giveUp(nowMs), gaps.size], [1, 0])
})

test('a new run of an author begins at 1, and what is missing of the old one is given up', () => {
  const { note, missing } = setup()
  note(1)
  note(3)
  assert.equal(note(2, { run: 2 }), 1)
  assert.deepEqual(missing(), [1])
  assert.equal(note(2, { run: 1 }), 0, 'a late one of the old run')
  assert.deepEqual(missing(), [1])
})

test('of a large gap the newest are asked for, and in one question not more than fit', () => {
  const { gaps, note, missing } = setup()
  note(1)
  note(Number.MAX_SAFE_INTEGER - 1)
  assert.equal(gaps.size, MISSING_MAX)
  assert.equal(gaps.due(1e9)[0]?.counts.length, COUNTS_MAX)
  assert.ok(note(Number.MAX_SAFE_INTEGER, {}) === 0)
  assert.equal(missing()[0], Number.MAX_SAFE_INTEGER - 1 - MISSING_MAX)
})

test('authors are bounded; a topic that nobody reads is forgotten', () => {
  const { gaps, note } = setup()
  for (let i = 0; i <= LINES_MAX; i += 1) {
    note(1, { author: `${i}` as PeerId })
    note(3, { author: `${i}` as PeerId })
  }
  assert.equal(gaps.size, LINES_MAX)
  note(1, { wire: 'u' })
  note(3, { wire: 'u' })
  gaps.forget('t')
  assert.equal(gaps.size, 1)
})

test('who makes up gaps in the names of many takes no room from those that miss little', () => {
  const { gaps, note, missing } = setup()
  note(1)
  note(3)
  let lost = 0
  for (let i = 0; i < LINES_MAX - 1; i += 1) {
    note(1, { author: `${i}` as PeerId })
    lost += note(300, { author: `${i}` as PeerId })
    assert.ok(gaps.size <= MISSING_ALL_MAX)
  }
  assert.deepEqual(missing(), [2])
  assert.equal(gaps.size + lost, 1 + (LINES_MAX - 1) * MISSING_MAX)
  // What is given up and what is forgotten makes room as well.
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    for (let left = gaps.due(1e9 * (tries + 1)); left.length > 0; ) {
      for (const gap of left) gaps.asking(gap, undefined, 1e9 * (tries + 1))
      left = gaps.due(1e9 * (tries + 1))
    }
  }
  const before = gaps.size
  assert.equal(gaps.giveUp(1e10), before)
  assert.equal(gaps.size, 0)
})

test('whatever comes in whatever order, missing is what lies between and did not come', () => {
  const list = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 100 })
  const property = fc.property(list, (counts) => {
    const { note, gaps } = setup()
    for (const count of counts) note(count)
    const [first = 0] = counts
    const highest = Math.max(...counts)
    let expected = 0
    for (let one = first + 1; one < highest; one += 1) if (!counts.includes(one)) expected += 1
    assert.equal(gaps.size, expected)
  })
  fc.assert(property)
})
