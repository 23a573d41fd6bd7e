import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { distanceShare } from './density.ts'
import { type Contact, commonPrefixLength, type DhtKey, dhtKey } from './key.ts'
import { PROBES_MAX, probeKeys, RegionWalk } from './region.ts'

const random = seededRandom('region')
const target = dhtKey(utf8('target'))
const SELF = 'me' as PeerId
const config = { radius: 2 ** -8, questionsMax: 40, width: 5 }

let made = 0
/** Somebody who shares exactly `bits` leading bits with the target. */
function at(bits: number, name = 'p'): Contact {
  const key = target.map((byte, i) => {
    if (8 * (i + 1) <= bits) return byte
    const flip =
      8 * i > bits ? random.int(256) : (0x80 >> (bits % 8)) | random.int(0x80 >> (bits % 8))
    return byte ^ flip
  }) as DhtKey
  made += 1
  return { peer: `${name}${made}` as PeerId, key }
}

const group = (count: number, bits: number, name?: string) =>
  Array.from({ length: count }, () => at(bits, name))

/** Answers each question with nobody, but for those in `named`. */
function run(walk: RegionWalk, named = new Map<PeerId, readonly Contact[]>()) {
  const asked: PeerId[] = []
  const flying: Contact[] = []
  let step = walk.start()
  flying.push(...step.ask)
  while (!step.done) {
    assert.ok(flying.length <= config.width)
    const contact = flying.shift() ?? assert.fail()
    asked.push(contact.peer)
    step = walk.answered(contact.peer, named.get(contact.peer) ?? [])
    flying.push(...step.ask)
  }
  return asked
}

test('all within the radius are asked once, and nobody beyond it or asked before', () => {
  const before = [at(9), at(3)]
  const walk = new RegionWalk(target, SELF, before, config)
  const [first, ...rest] = [...group(5, 8), ...group(5, 10), ...group(5, 13)]
  assert.ok(first !== undefined)
  walk.hear([...before, first, ...group(5, 7), { peer: SELF, key: target }])
  const asked = run(walk, new Map([[first.peer, [...rest, first]]]))
  assert.deepEqual(asked.length, 15)
  assert.deepEqual(new Set(asked), new Set([first, ...rest].map(({ peer }) => peer)))
  const report = walk.report()
  assert.ok(report.complete)
  assert.equal(report.answered.length, 16, 'with the one within the radius that was asked before')
  for (const { key } of report.answered) assert.ok(distanceShare(target, key) <= config.radius)
})

test('whoever crowds the place right beside the key cannot use up the questions', () => {
  const walk = new RegionWalk(target, SELF, [], config)
  for (const bits of [14, 15, 17, 20, 24]) walk.hear(group(100, bits, 'sybil'))
  const honest = [...group(10, 8), ...group(5, 9), ...group(3, 10)]
  walk.hear(honest)
  const asked = run(walk)
  assert.equal(asked.length, config.questionsMax)
  for (const { peer } of honest) assert.ok(asked.includes(peer))
  assert.equal(walk.report().complete, false)
})

test('a walk remembers no more of a branch than it might ask', () => {
  const walk = new RegionWalk(target, SELF, [], { ...config, questionsMax: 3, radius: 1 })
  const some = group(10, 0)
  walk.hear(some)
  assert.deepEqual(
    run(walk),
    some.slice(0, 3).map(({ peer }) => peer),
  )
  assert.equal(walk.report().complete, false, 'the rest was not kept, and not asked either')
})

test('who does not answer is named, and so is whoever was not waited for', () => {
  const walk = new RegionWalk(target, SELF, [], config)
  const [a, b] = group(2, 9)
  assert.ok(a !== undefined && b !== undefined)
  walk.hear([a, b])
  walk.start()
  assert.equal(walk.failed(a.peer).done, false)
  assert.deepEqual(walk.report(), { answered: [], failed: [a.peer, b.peer], complete: false })
  walk.answered('nobody' as PeerId, [a])
  assert.deepEqual(walk.answered(b.peer, [a]), { ask: [], done: true })
  assert.deepEqual(walk.report(), { answered: [b], failed: [a.peer], complete: true })
})

test('probeKeys() finds a key on each of the widest branches of the region', () => {
  for (const [radius, widest] of [
    [1, 0],
    [0.3, 1],
    [2 ** -8, 8],
    [0.9 * 2 ** -8, 8],
  ] as const) {
    const branches = probeKeys(target, radius, random).map((key) =>
      commonPrefixLength(target, dhtKey(key)),
    )
    const expected = Array.from({ length: PROBES_MAX }, (_, i) => widest + i)
    assert.deepEqual(
      branches.toSorted((a, b) => a - b),
      expected,
    )
  }
})

test('probeKeys() gives up where the branches are too narrow to be found', () => {
  assert.ok(probeKeys(target, 2 ** -40, random).length < PROBES_MAX)
})

test('one that is slow makes room for the next, and its late answer still counts', () => {
  const all = group(3, 8)
  const walk = new RegionWalk(target, SELF, [], { ...config, width: 1 })
  walk.hear(all)
  const [slow] = walk.start().ask
  assert.ok(slow !== undefined)
  const [second] = walk.slow(slow.peer).ask
  assert.ok(second !== undefined && second !== slow)
  const [third] = walk.answered(second.peer, []).ask
  assert.ok(third !== undefined)
  walk.answered(slow.peer, [])
  assert.deepEqual(walk.slow(third.peer), { ask: [], done: true })
  const { answered, failed, complete } = walk.report()
  assert.deepEqual([answered, failed, complete], [[second, slow], [third.peer], true])
})
