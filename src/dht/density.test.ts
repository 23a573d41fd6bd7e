import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { Density, distanceShare, sizeFrom } from './density.ts'
import { type Contact, closestTo, type DhtKey } from './key.ts'

const K = 20
const random = seededRandom('density')
const place = () => Uint8Array.from(random.bytes(32)) as DhtKey

function peers(count: number): Contact[] {
  return Array.from({ length: count }, (_, i) => ({ peer: `p${i}` as PeerId, key: place() }))
}

/** Peers that share the first `bytes` of their place with `target`. */
function madeUp(target: DhtKey, count: number, bytes: number): Contact[] {
  return Array.from({ length: count }, (_, i) => {
    const key = Uint8Array.from(random.bytes(32))
    key.set(target.subarray(0, bytes))
    return { peer: `made up ${i}` as PeerId, key: key as DhtKey }
  })
}

/** What `lookups` lookups for random keys among `all` say. */
function densityOf(all: readonly Contact[], lookups: number): Density {
  const density = new Density(K)
  for (let i = 0; i < lookups; i += 1) {
    const target = place()
    density.note(target, closestTo(target, all, K))
  }
  return density
}

test('distanceShare() is 0 for a key and itself, and ½ when the first bit differs', () => {
  const zero = new Uint8Array(32) as DhtKey
  const half = Uint8Array.from(zero) as DhtKey
  half[0] = 0x80
  assert.equal(distanceShare(zero, zero), 0)
  assert.equal(distanceShare(zero, half), 0.5)
  half[0] = 0
  half[2] = 1
  assert.equal(distanceShare(half, zero), 2 ** -24)
})

for (const count of [50, 300, 3_000]) {
  test(`the median of 33 lookups tells the size of a network of ${count}`, () => {
    const { size } = densityOf(peers(count), 33)
    assert.ok(size !== undefined && size > 0.8 * count && size < 1.25 * count, `${size}`)
  })
}

test('a few lookups into crowded places do not move the median much', () => {
  const all = peers(1_000)
  const density = densityOf(all, 20)
  for (let i = 0; i < 9; i += 1) {
    const target = place()
    density.note(target, closestTo(target, [...all, ...madeUp(target, 45, 4)], K))
  }
  const { size } = density
  assert.ok(size !== undefined && size > 750 && size < 1_500, `${size}`)
})

for (const [count, alarmsMin] of [
  [45, 100],
  [18, 99],
  [14, 60],
] as const) {
  test(`a place with ${count} made up around it is crowded`, () => {
    const all = peers(1_000)
    const density = densityOf(all, 33)
    let alarms = 0
    for (let i = 0; i < 100; i += 1) {
      const target = place()
      const closest = closestTo(target, [...all, ...madeUp(target, count, 4)], K)
      if (density.isCrowded(target, closest)) alarms += 1
    }
    assert.ok(alarms >= alarmsMin, `${alarms} of 100`)
  })
}

test('by chance a place looks crowded less than once in a hundred times', () => {
  const all = peers(1_000)
  const density = densityOf(all, 33)
  let alarms = 0
  for (let i = 0; i < 1_000; i += 1) {
    const target = place()
    if (density.isCrowded(target, closestTo(target, all, K))) alarms += 1
  }
  assert.ok(alarms < 10, `${alarms} of 1,000`)
})

test('nothing is crowded where fewer than k are, or where nothing is known', () => {
  const target = place()
  const near = madeUp(target, K, 4)
  assert.equal(new Density(K).isCrowded(target, near), false)
  const density = densityOf(peers(1_000), 5)
  assert.equal(density.isCrowded(target, near), true)
  assert.equal(density.isCrowded(target, near.slice(1)), false)
  assert.equal(density.isCrowded(target, []), false)
})

test('the region of k peers holds about k of them, and all when nothing is known', () => {
  const all = peers(1_000)
  const density = densityOf(all, 33)
  const counts = Array.from({ length: 200 }, () => {
    const target = place()
    return all.filter(({ key }) => density.within(target, key)).length
  })
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  assert.ok(mean > 0.8 * K && mean < 1.25 * K, `${mean}`)
  assert.ok(density.regionRadius(40) > 1.9 * density.regionRadius(20))
  assert.equal(new Density(K).regionRadius(), 1)
  assert.equal(densityOf(peers(5), 3).regionRadius(), 1)
})

test('samples of a smaller network are dropped as the table grows', () => {
  let beside: number | undefined = 100
  const density = new Density(K, () => beside)
  const note = (count: number) => {
    const target = place()
    density.note(target, closestTo(target, peers(count), K))
  }
  for (let i = 0; i < 5; i += 1) note(100)
  assert.equal(density.isVague, false)
  beside = 1_000
  assert.ok(density.isVague)
  assert.equal(density.size, 1_000)
  for (let i = 0; i < 5; i += 1) note(1_000)
  assert.equal(density.isVague, false)
  beside = undefined
  assert.equal(density.size, undefined)
})

test('sizeFrom() says nothing of one peer, or of peers at the very key', () => {
  const target = place()
  assert.equal(sizeFrom(target, peers(1)), undefined)
  const same = [1, 2].map((i) => ({ peer: `p${i}` as PeerId, key: target }))
  assert.equal(sizeFrom(target, same), undefined)
})
