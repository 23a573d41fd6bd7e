import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type Contact, closestTo, dhtKey } from './key.ts'
import { Lookup, type LookupConfig, type Step } from './lookup.ts'

const config: LookupConfig = { k: 20, alpha: 5, paths: 8, questionsMax: 200 }
const ME = 'me' as PeerId
const target = dhtKey(utf8('target'))
/** Closest first. */
const near = closestTo(
  target,
  Array.from({ length: 60 }, (_, i) => ({
    peer: `peer${i}` as PeerId,
    key: dhtKey(utf8(`peer ${i}`)),
  })),
  60,
)
const at = (i: number): Contact => near[i] ?? assert.fail()
const peers = (all: readonly Contact[]) => all.map(({ peer }) => peer)

/** One path with one question at a time, over the outermost of those that are near. */
function single(...seeds: Contact[]) {
  const lookup = new Lookup(target, ME, seeds, { ...config, paths: 1, alpha: 1 })
  return { lookup, first: lookup.start() }
}

test('a path whose peer is slow asks the next; the late answer still counts', () => {
  const { lookup, first } = single(at(10), at(11), at(12))
  assert.deepEqual(peers(first.ask), [at(10).peer])
  assert.deepEqual(peers(lookup.slow(at(10).peer).ask), [at(11).peer])
  // The place is taken: what the late one names waits its turn.
  assert.deepEqual(lookup.answered(at(10).peer, [at(3)]), { ask: [], done: false })
  assert.deepEqual(peers(lookup.answered(at(11).peer, []).ask), [at(3).peer])
  lookup.answered(at(3).peer, [])
  assert.ok(lookup.answered(at(12).peer, []).done)
  const { answered, failed } = lookup.report()
  assert.ok(answered.includes(at(10).peer) && failed.length === 0)
})

test('one that is slow is freed once, and not before it was asked', () => {
  const { lookup } = single(at(10), at(11), at(12), at(13))
  assert.deepEqual(lookup.slow(at(12).peer), { ask: [], done: false })
  assert.deepEqual(peers(lookup.slow(at(10).peer).ask), [at(11).peer])
  assert.deepEqual(lookup.slow(at(10).peer), { ask: [], done: false })
  assert.deepEqual(lookup.failed(at(10).peer), { ask: [], done: false })
})

test('a lookup ends without those that are slow, and says that they failed', () => {
  const { lookup } = single(at(10), at(11))
  lookup.slow(at(10).peer)
  assert.ok(lookup.answered(at(11).peer, []).done)
  const { answered, failed, complete } = lookup.report()
  assert.deepEqual([answered, failed, complete], [[at(11).peer], [at(10).peer], true])
  // What comes after the end is answered by nothing more to ask.
  assert.deepEqual(lookup.answered(at(10).peer, [at(1)]), { ask: [], done: true })
})

test('a peer that is slow on one path is asked by the others, all at once', () => {
  const [left, right, slow] = [at(30), at(31), at(2)]
  const lookup = new Lookup(target, ME, [left, right], { ...config, paths: 2, alpha: 2 })
  lookup.start()
  assert.deepEqual(peers(lookup.answered(left.peer, [slow]).ask), [slow.peer])
  // It is on its way for the left path: the right one passes it over.
  assert.deepEqual(lookup.answered(right.peer, [slow]).ask, [])
  assert.deepEqual(peers(lookup.slow(slow.peer).ask), [slow.peer])
  // The question of the left path fails; that of the right one is answered.
  assert.equal(lookup.failed(slow.peer, true).done, false)
  assert.ok(lookup.answered(slow.peer, []).done)
  const { answered, failed } = lookup.report()
  assert.ok(answered.includes(slow.peer))
  assert.deepEqual(failed, [])
})

test('where the later of two questions fails first, the earlier holds nobody up', () => {
  const [left, right, slow] = [at(30), at(31), at(2)]
  const lookup = new Lookup(target, ME, [left, right], { ...config, paths: 2, alpha: 2 })
  lookup.start()
  lookup.answered(left.peer, [slow])
  lookup.answered(right.peer, [slow])
  lookup.slow(slow.peer)
  assert.ok(lookup.failed(slow.peer).done)
  assert.deepEqual(lookup.report().failed, [slow.peer])
})

test('what is named late, when the paths are done, is asked in the sweep', () => {
  const [late, right, other] = [at(30), at(31), at(20)]
  // One question for each path: what the right one is told is left for the sweep.
  const limits = { ...config, paths: 2, alpha: 2, questionsMax: 2 }
  const lookup = new Lookup(target, ME, [late, right], limits)
  lookup.start()
  lookup.slow(late.peer)
  assert.deepEqual(peers(lookup.answered(right.peer, [other]).ask), [other.peer])
  assert.deepEqual(peers(lookup.answered(late.peer, [at(0)]).ask), [at(0).peer])
  lookup.answered(other.peer, [])
  assert.ok(lookup.answered(at(0).peer, []).done)
  assert.deepEqual(peers(lookup.report().closest), peers([at(0), other, late, right]))
})

test('whoever is slow, fails or answers when: every lookup ends, and is bounded', () => {
  const events = fc.array(fc.record({ who: fc.nat(50), what: fc.nat(3) }), { maxLength: 400 })
  fc.assert(
    fc.property(events, fc.integer({ min: 1, max: 8 }), (given, paths) => {
      const lookup = new Lookup(target, ME, near.slice(20, 40), { ...config, paths })
      const flying: { peer: PeerId; slow: boolean }[] = []
      let questions = 0
      const take = ({ ask, done }: Step): boolean => {
        questions += ask.length
        for (const { peer } of ask) flying.push({ peer, slow: false })
        return done
      }
      const happen = (one: { peer: PeerId; slow: boolean }, what: number): boolean => {
        if (what === 0 && !one.slow) {
          one.slow = true
          return take(lookup.slow(one.peer))
        }
        flying.splice(flying.indexOf(one), 1)
        return take(
          what === 1 ? lookup.failed(one.peer, one.slow) : lookup.answered(one.peer, near),
        )
      }
      let done = take(lookup.start())
      for (const { who, what } of given) {
        const one = flying[who % Math.max(1, flying.length)]
        if (done || one === undefined) break
        done = happen(one, what)
      }
      for (let i = 0; !done; i += 1) {
        assert.ok(i < 1_000, 'it goes on for ever')
        // Nobody answers any more: that all are slow is enough for an end.
        const one = flying.find(({ slow }) => !slow)
        assert.ok(one !== undefined, 'a lookup that is not done waits for somebody')
        done = happen(one, 0)
      }
      assert.ok(questions <= config.questionsMax + paths + 2 * config.k)
      const { answered, failed, asked } = lookup.report()
      assert.equal(new Set(asked).size, answered.length + failed.length)
    }),
    { numRuns: 200 },
  )
})
