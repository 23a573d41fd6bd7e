import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Json } from '../../wire/index.ts'
import { all, canonical, first, mean, valueAtPath, vote } from './combine.ts'

const answers = (...values: Json[]) => values.map((value, i) => ({ peer: `p${i}`, value }))

test('vote() finds the most frequent answer, and names who said otherwise', () => {
  const { value, decided, agreed, dissent, note } = vote(answers({ a: 1, b: 2 }, 7, { b: 2, a: 1 }))
  assert.deepEqual(value, { a: 1, b: 2 })
  assert.deepEqual([decided, agreed, dissent, note], [true, ['p0', 'p2'], ['p1'], null])
})

test('vote() decides nothing in a tie, and says when the most are no majority', () => {
  assert.equal(vote(answers(1, 2)).decided, false)
  assert.match(vote(answers(1, 2)).note ?? '', /a tie of 1 votes/)
  assert.match(vote(answers(1, 1, 2, 3)).note ?? '', /no majority/)
  assert.equal(vote([]).decided, false)
})

test('vote() counts those who were asked and said nothing against a majority', () => {
  assert.equal(vote(answers(1, 1, 1), 5).note, null)
  assert.match(vote(answers(1, 1), 4).note ?? '', /2 of 4/)
})

test('vote() is never turned by fewer liars than there are honest peers', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 16 }),
      fc.nat(),
      fc.array(fc.jsonValue()),
      (n, cut, lies) => {
        const honest = answers(...Array.from({ length: n }, () => 'truth'))
        const liars = lies
          .slice(0, cut % n)
          .map((lie, i) => ({ peer: `liar ${i}`, value: lie as Json }))
        assert.equal(vote([...liars, ...honest]).value, 'truth')
      },
    ),
  )
})

test('mean() takes numbers, also as text, and tells how far they lie apart', () => {
  const { value, agreed, dissent, note } = mean(answers(1, '2', 'many', 3, { x: 1 }, ''))
  assert.equal(value, 2)
  assert.deepEqual(
    [agreed, dissent],
    [
      ['p0', 'p1', 'p3'],
      ['p2', 'p4', 'p5'],
    ],
  )
  assert.equal(note, 'from 1 to 3')
  assert.equal(mean(answers('no')).decided, false)
})

test('first() and all() keep what came, and decide nothing of nothing', () => {
  assert.equal(first(answers('a', 'b')).value, 'a')
  assert.deepEqual(all(answers('a', 'b')).value, ['a', 'b'])
  assert.equal(first([]).decided, false)
  assert.equal(all([]).decided, false)
})

test('valueAtPath() follows fields and places, and nothing that is inherited', () => {
  assert.equal(valueAtPath({ a: [{ b: 5 }] }, 'a.0.b'), 5)
  assert.equal(valueAtPath({ a: 1 }, 'a.b'), undefined)
  assert.equal(valueAtPath({}, 'constructor'), undefined)
  for (const place of ['', '1e0', '-0', 'length', ' 0']) {
    assert.equal(valueAtPath([7], place), undefined, place)
  }
})

test('canonical() does not look at the order of fields', () => {
  assert.equal(canonical({ a: 1, b: { c: 2, d: 3 } }), canonical({ b: { d: 3, c: 2 }, a: 1 }))
  assert.notEqual(canonical([1, 2]), canonical([2, 1]))
})
