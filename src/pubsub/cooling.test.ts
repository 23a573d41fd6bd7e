import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cooling, SPELLS_MAX } from './cooling.ts'

const HOUR_MS = 3_600_000

/** Spells one after the other from `fromMs` on, until the peer is cooled; returns its pause. */
function cool(cooling: Cooling, peer: string, fromMs: number): number | undefined {
  let pauseMs: number | undefined
  for (let i = 0; i < SPELLS_MAX; i += 1) pauseMs = cooling.slow(peer, fromMs + 1_000 * i)
  return pauseMs
}

const setup = (peersMax = 100) => new Cooling({ coolingMs: 30_000, peersMax })

test('a peer that is slow once, or for one second, is not cooled', () => {
  const cooling = setup()
  for (let ms = 0; ms < 1_000; ms += 10) assert.equal(cooling.slow('p', ms), undefined)
  assert.equal(cooling.isCool('p', 1_000), false)
})

test('the third spell within a minute cools, for the first pause, and then it is over', () => {
  const cooling = setup()
  assert.deepEqual(
    [0, 1_000, 59_999].map((ms) => cooling.slow('p', ms)),
    [undefined, undefined, 30_000],
  )
  assert.deepEqual(
    [59_999, 89_998, 89_999].map((ms) => cooling.isCool('p', ms)),
    [true, true, false],
  )
  assert.equal(cooling.isCool('other', 60_000), false)
  assert.equal(cooling.count(60_000), 1)
})

test('spells that are further apart do not add up', () => {
  const cooling = setup()
  for (let i = 0; i < 20; i += 1) assert.equal(cooling.slow('p', i * 31_000), undefined)
})

test('each time is twice as long, up to an hour; what is dropped meanwhile does not count', () => {
  const cooling = setup()
  let nowMs = 0
  const pauses: number[] = []
  for (let i = 0; i < 10; i += 1) {
    const pauseMs = cool(cooling, 'p', nowMs) ?? assert.fail('cooled')
    pauses.push(pauseMs)
    assert.equal(cooling.slow('p', nowMs + 2_500), undefined)
    nowMs += 2_000 + pauseMs
  }
  const doubled = [0, 1, 2, 3, 4, 5, 6].map((times) => 30_000 * 2 ** times)
  assert.deepEqual(pauses, [...doubled, HOUR_MS, HOUR_MS, HOUR_MS])
})

test('who was well for two hours begins anew', () => {
  const cooling = setup()
  assert.equal(cool(cooling, 'p', 0), 30_000)
  assert.equal(cool(cooling, 'p', HOUR_MS), 60_000)
  assert.equal(cool(cooling, 'p', 4 * HOUR_MS), 30_000)
})

test('peers are bounded: the one that was slow longest ago is forgotten', () => {
  const cooling = setup(2)
  for (const [i, peer] of ['a', 'b', 'c'].entries()) cool(cooling, peer, i * 3_000)
  assert.deepEqual(
    ['a', 'b', 'c'].map((peer) => cooling.isCool(peer, 9_000)),
    [false, true, true],
  )
})
