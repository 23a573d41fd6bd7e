import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { TtlMap } from './ttl-map.ts'

function setup(entriesMax = 3, startMs = 0) {
  const clock = new FakeClock(startMs)
  return { clock, map: new TtlMap<string, number>({ entriesMax, ttlMs: 100, clock }) }
}

for (const startMs of [0, 1_790_000_000_000]) {
  test(`an entry is there until its time is over (clock at ${startMs})`, async () => {
    const { clock, map } = setup(3, startMs)
    map.set('a', 1)
    await clock.advance(100)
    assert.equal(map.get('a'), 1)
    await clock.advance(1)
    assert.equal(map.get('a'), undefined)
    assert.equal(map.has('a'), false)
    assert.equal(map.size, 0)
    assert.deepEqual(map.entries(), [])
  })
}

test('an entry may have a time of its own; storing it again starts its time again', async () => {
  const { clock, map } = setup()
  map.set('short', 1, 10)
  map.set('again', 1)
  await clock.advance(60)
  map.set('again', 2)
  assert.equal(map.has('short'), false)
  await clock.advance(60)
  assert.equal(map.get('again'), 2)
})

test('what has no time left is not kept, and takes the older value with it', () => {
  const { map } = setup()
  for (const ttlMs of [0, -1]) {
    map.set('a', 1)
    map.set('a', 2, ttlMs)
    assert.equal(map.get('a'), undefined)
  }
})

test('the least recently used entry makes room', () => {
  const { map } = setup()
  for (const key of ['a', 'b', 'c']) map.set(key, 0)
  map.get('a')
  map.set('d', 0)
  assert.deepEqual(
    map.entries().map(([key]) => key),
    ['d', 'a', 'c'],
  )
  assert.equal(map.size, 3)
  assert.equal(map.delete('d'), true)
  assert.equal(map.delete('d'), false)
})

test('reading an entry does not lengthen its life', async () => {
  const { clock, map } = setup()
  map.set('a', 1)
  await clock.advance(90)
  map.get('a')
  await clock.advance(20)
  assert.equal(map.get('a'), undefined)
})
