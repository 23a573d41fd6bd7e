import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PeerId } from '../identity/index.ts'
import { AUTHOR_NUMBERS_MAX, NUMBERS_MAX, ReplayGuard, type ReplayRule } from './replay-guard.ts'
import { sequenceAt } from './sequence.ts'

const NOW_MS = 1_700_000_000_000
const CONFIG = { replayWindowMs: 60_000, replayAuthorsMax: 4_096 }
const [a, b] = ['a', 'b'] as [PeerId, PeerId]

function setup(config = CONFIG) {
  const guard = new ReplayGuard(config)
  /** Takes the message if the guard does, and says why not. */
  const take = (author: PeerId, sequence: bigint, nowMs = NOW_MS, rule: ReplayRule = 'strict') => {
    const refusal = guard.refusal(author, sequence, { nowMs, rule })
    if (refusal === undefined) guard.note(author, sequence)
    return refusal?.reason
  }
  return { guard, take }
}

const at = (offMs: number, more = 0n) => sequenceAt(NOW_MS + offMs) + more

test('a number is taken once, whoever else has it', () => {
  const { take } = setup()
  assert.deepEqual(
    [take(a, at(0)), take(a, at(0)), take(b, at(0)), take(a, at(0, 1n))],
    [undefined, 'replay', undefined, undefined],
  )
})

test('numbers are taken out of order within the window, and none outside of it', () => {
  const { take, guard } = setup()
  assert.equal(take(a, at(0)), undefined)
  assert.equal(take(a, at(-60_000)), undefined)
  assert.equal(take(a, at(60_000)), undefined)
  assert.equal(take(a, at(-60_001)), 'stale')
  assert.equal(take(a, at(60_001)), 'future')
  const options = { nowMs: NOW_MS, rule: 'strict' } as const
  assert.deepEqual(guard.refusal(b, at(-90_000), options), { reason: 'stale', offMs: -90_000 })
  assert.equal(take(b, 0n), 'stale')
  assert.equal(take(b, 2n ** 64n - 1n), 'future')
})

test('a message replayed after 121 s is not taken, whatever was forgotten', () => {
  const { take } = setup()
  assert.equal(take(a, at(0)), undefined)
  assert.equal(take(a, at(0), NOW_MS + 121_000), 'stale')
  assert.equal(setup().take(a, at(0), NOW_MS + 121_000), 'stale')
})

test('no number is taken twice, in whatever order they come and however many', () => {
  const numbers = fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 4_000 })
  const property = fc.property(numbers, (list) => {
    const { take, guard } = setup()
    const taken = list.filter((number) => take(a, at(0, BigInt(number))) === undefined)
    assert.equal(new Set(taken).size, taken.length)
    assert.ok(guard.kept <= AUTHOR_NUMBERS_MAX)
    return list.length > AUTHOR_NUMBERS_MAX || taken.length === new Set(list).size
  })
  fc.assert(property, { numRuns: 50 })
})

test('of more numbers than are kept, those below the oldest kept count as seen', () => {
  const { take, guard } = setup()
  for (let i = 0; i <= AUTHOR_NUMBERS_MAX; i += 1) take(a, at(0, BigInt(2 * i)))
  assert.equal(guard.kept, AUTHOR_NUMBERS_MAX)
  assert.equal(take(a, at(0, -1n)), 'replay', 'never heard, but below what is kept')
  assert.equal(take(a, at(0, 0n)), 'replay')
  assert.equal(take(a, at(0, 3n)), undefined)
})

test('when all numbers are too many, who was heard longest ago keeps the newest only', () => {
  const { take, guard } = setup()
  const authors = NUMBERS_MAX / AUTHOR_NUMBERS_MAX + 1
  for (let author = 0; author < authors; author += 1) {
    for (let i = 1; i <= AUTHOR_NUMBERS_MAX; i += 1) {
      take(`${author}` as PeerId, at(0, BigInt(2 * i)))
      assert.ok(guard.kept <= NUMBERS_MAX)
    }
  }
  assert.equal(guard.authors, authors)
  assert.equal(take('0' as PeerId, at(0, 3n)), 'replay', 'out of order is no longer told apart')
  assert.equal(take('0' as PeerId, at(0, BigInt(2 * AUTHOR_NUMBERS_MAX))), 'replay')
  assert.equal(take('0' as PeerId, at(1)), undefined)
})

test('authors are bounded; the one heard longest ago is forgotten, and its numbers with it', () => {
  const { take, guard } = setup({ ...CONFIG, replayAuthorsMax: 2 })
  for (const author of ['a', 'b', 'a', 'c']) take(author as PeerId, at(0, BigInt(guard.kept)))
  assert.deepEqual([guard.authors, guard.kept], [2, 3])
  assert.deepEqual(
    guard.floors().map(([author]) => author),
    ['a', 'c'],
  )
})

test('counted: any number once, without a time; cache: everything', () => {
  const { take } = setup()
  assert.deepEqual(
    [5n, 5n, 3n, 2n ** 63n].map((number) => take(a, number, NOW_MS, 'counted')),
    [undefined, 'replay', undefined, undefined],
  )
  assert.deepEqual(
    [take(b, 1n, NOW_MS, 'cache'), take(b, 1n, NOW_MS, 'cache')],
    [undefined, undefined],
  )
})

test('after a restart nothing up to the newest number of an author is taken', () => {
  const { take, guard } = setup()
  for (const offMs of [0, 5, 3]) take(a, at(offMs))
  const next = setup()
  next.guard.restore(guard.floors())
  assert.deepEqual(
    [0, 3, 5, 6].map((offMs) => next.take(a, at(offMs), NOW_MS + 10)),
    ['replay', 'replay', 'replay', undefined],
  )
  assert.equal(next.take(b, at(1), NOW_MS + 10), undefined)
})

test('after a run that was cut off, nothing made before the new start is taken from anybody', () => {
  const { take, guard } = setup()
  guard.restore([], NOW_MS)
  assert.deepEqual(
    [take(b, at(-1)), take(b, at(0)), take(b, at(1))],
    ['replay', 'replay', undefined],
  )
  assert.equal(take(b, 7n, NOW_MS, 'counted'), undefined, 'a number that is no time says nothing')
})

test('restore() takes no more authors than are kept, those heard last', () => {
  const { guard } = setup({ ...CONFIG, replayAuthorsMax: 2 })
  guard.restore(['a', 'b', 'c'].map((author) => [author as PeerId, 1n] as const))
  assert.deepEqual([guard.floors().map(([author]) => author), guard.isWhole], [['b', 'c'], false])
})
