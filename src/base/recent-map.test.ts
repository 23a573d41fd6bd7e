import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecentMap } from './recent-map.ts'

test('what is stored is found, the newest value of a key', () => {
  const map = new RecentMap<string, { n: number }>(4)
  assert.equal(map.get('a'), undefined)
  map.set('a', { n: 1 })
  map.set('a', { n: 2 })
  assert.deepEqual(map.get('a'), { n: 2 })
})

test('an entry that is read now and then stays; one that nobody reads goes', () => {
  const map = new RecentMap<number, object>(8)
  const [used, unused] = [{}, {}]
  map.set(-1, used)
  map.set(-2, unused)
  for (let i = 0; i < 100; i += 1) {
    map.set(i, {})
    assert.equal(map.get(-1), used)
  }
  assert.equal(map.get(-2), undefined)
})

test('it never holds more than it may, and always the half that was used last', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 20 }), fc.array(fc.nat(40)), (entriesMax, keys) => {
      const map = new RecentMap<number, { key: number }>(entriesMax)
      for (const key of keys) {
        if (map.get(key) === undefined) map.set(key, { key })
        assert.ok(map.size <= entriesMax)
      }
      const last = [...new Set(keys.toReversed())].slice(0, Math.floor(entriesMax / 2))
      for (const key of last.toReversed()) assert.deepEqual(map.get(key), { key })
    }),
  )
})
