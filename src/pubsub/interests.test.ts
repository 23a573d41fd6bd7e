import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../identity/index.ts'
import { Interests } from './interests.ts'

const [a, b] = ['a', 'b'] as [PeerId, PeerId]
const on = (topic: string) => ({ topic, subscribe: true })
const off = (topic: string) => ({ topic, subscribe: false })

test('note() keeps what peers subscribe to until they say otherwise or go', () => {
  const interests = new Interests(10)
  interests.note(a, [on('x'), on('y')])
  interests.note(b, [on('x')])
  assert.deepEqual(interests.peersOf('x'), [a, b])
  interests.note(a, [off('x')])
  assert.deepEqual(interests.peersOf('x'), [b])
  interests.forget(b)
  assert.deepEqual([interests.peersOf('x'), interests.peersOf('y')], [[], [a]])
})

test('note() takes no more topics of one peer than the limit, and says how many were more', () => {
  const interests = new Interests(2)
  const { taken, refused } = interests.note(a, [on('1'), on('2'), on('3'), on('4')])
  assert.deepEqual([taken, refused], [[on('1'), on('2')], 2])
  assert.equal(interests.note(a, [on('1')]).refused, 0, 'said again it takes no place')
  assert.equal(interests.note(a, [off('1'), on('3')]).refused, 0, 'a goodbye makes room')
  assert.equal(interests.note(b, [on('4')]).refused, 0, 'each peer has its own')
})

test('note() refuses names that are none, or too long', () => {
  const interests = new Interests(10)
  const notes = [on(''), { subscribe: true }, on('é'.repeat(129)), on('é'.repeat(128))]
  assert.deepEqual(interests.note(a, notes), { taken: notes.slice(3), refused: 3 })
})
