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

test('a gap is asked of one peer after the other, with pauses that double, and given up after six', () => {
  const { gaps, note } = setup()
  note(1)
  note(3)
  let nowMs = 2_000
  for (const pauseMs of [2_000, 4_000, 8_000, 16_000, 16_000, 16_000]) {
    const [gap] = gaps.due(nowMs)
    assert.ok(gap)
    assert.equal(gaps.giveUp(nowMs), 0)
    // In the end there is nobody left.
    gaps.asking(gap, [p, q][gap.asked.size], nowMs)
    assert.deepEqual(gaps.due(nowMs + pauseMs - 1), [])
    nowMs += pauseMs
  }
  const [gap] = gaps.due(nowMs)
  assert.ok(gap)
  assert.deepEqual(gap.asked, new Set([p, q]))
  assert.deepEqual([gaps.giveUp(nowMs), gaps.size], [1, 0])
})

test('who did not answer may be asked for the same again', () => {
  const { gaps, note } = setup()
  note(1)
  note(3)
  const [gap] = gaps.due(2_000)
  assert.ok(gap)
  gaps.asking(gap, p, 2_000)
  gaps.unanswered({ ...gap, run: 7 }, p)
  assert.deepEqual(gaps.due(4_000)[0]?.asked, new Set([p]))
  gaps.unanswered(gap, p)
  assert.deepEqual(gaps.due(4_000)[0]?.asked, new Set())
})

test('what somebody took and we did not is lacking: what is missing, and what came after the last', () => {
  const { gaps, note } = setup()
  const lacking = (first: number, last: number, { author = a, run = 2 } = {}) =>
    gaps.lacking('t', { author, run, first, last })
  assert.deepEqual(lacking(5, 7), [5, 6, 7], 'of an author that we never heard')
  note(3, { run: 2 })
  note(5, { run: 2 })
  assert.deepEqual(lacking(4, 5), [4])
  assert.deepEqual(lacking(7, 8), [4, 6, 7, 8])
  assert.deepEqual(lacking(1, 3), [])
  assert.deepEqual(lacking(1, 9, { run: 1 }), [], 'of a run that is over')
  assert.deepEqual(lacking(2, 3, { run: 3 }), [2, 3], 'of one that we never heard')
  assert.deepEqual(lacking(2, 3, { author: b }), [2, 3])
  const many = lacking(1, Number.MAX_SAFE_INTEGER)
  assert.deepEqual([many.length, many[0], many.at(-1)], [MISSING_MAX, 4, MISSING_MAX + 4])
})

test('only what is above all that came of a run is certain to be new', () => {
  const { gaps, note } = setup()
  assert.equal(gaps.isAbove('t', a, { run: 1, count: 9 }), false)
  note(3)
  assert.deepEqual(
    [2, 3, 4].map((count) => gaps.isAbove('t', a, { run: 1, count })),
    [false, false, true],
  )
  assert.equal(gaps.isAbove('t', a, { run: 2, count: 4 }), false)
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
