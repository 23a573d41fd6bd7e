import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { COOL_SCORE, Conduct, FRAME_POINTS, TOPICS_POINTS_MAX } from './conduct.ts'
import { PEER_SCORE, SCORE_THRESHOLDS } from './settings.ts'

function setup() {
  const clock = new FakeClock(1_000)
  return { clock, conduct: new Conduct(clock, { coolingMs: 30_000 }) }
}

test('a frame over its limits is enough not to be heard; time takes it away', async () => {
  const { clock, conduct } = setup()
  assert.deepEqual([conduct.score('p'), conduct.isHeard('p')], [0, true])
  conduct.offend('p', FRAME_POINTS)
  assert.deepEqual([conduct.score('p'), conduct.isHeard('p')], [-FRAME_POINTS, false])
  assert.equal(conduct.isHeard('other'), true)
  await clock.advance(20_000)
  assert.equal(conduct.isHeard('p'), true)
  assert.equal(conduct.score('p'), -80)
  await clock.advance(80_000)
  assert.equal(conduct.score('p'), 0)
})

test('topics over the limit are forgiven once, and not twice', () => {
  const { conduct } = setup()
  conduct.offend('p', TOPICS_POINTS_MAX)
  assert.equal(conduct.isHeard('p'), true)
  conduct.offend('p', TOPICS_POINTS_MAX)
  assert.equal(conduct.isHeard('p'), false)
})

test('points end somewhere: nobody is shut out for more than a quarter of an hour', async () => {
  const { clock, conduct } = setup()
  for (let i = 0; i < 1_000; i += 1) conduct.offend('p', FRAME_POINTS)
  await clock.advance(15 * 60_000 + 20_000)
  assert.equal(conduct.isHeard('p'), true)
})

test('a cooled peer is in no mesh, whatever its credit, and is still told of messages', async () => {
  const { clock, conduct } = setup()
  for (let i = 0; i < 2; i += 1) {
    assert.equal(conduct.slow('p'), undefined)
    await clock.advance(1_000)
  }
  assert.equal(conduct.slow('p'), 30_000)
  assert.deepEqual([conduct.isCool('p'), conduct.cooled], [true, 1])
  assert.equal(conduct.score('p'), COOL_SCORE)
  const { topicScoreCap } = PEER_SCORE
  assert.ok(COOL_SCORE + topicScoreCap < 0 && COOL_SCORE > SCORE_THRESHOLDS.gossipThreshold)
  await clock.advance(30_000)
  assert.deepEqual([conduct.isCool('p'), conduct.score('p')], [false, 0])
})

test('what is held against a peer for less comes to less, and takes nothing away', async () => {
  const clock = new FakeClock()
  const conduct = new Conduct(clock, { coolingMs: 1_000 })
  for (let n = 0; n < 10; n += 1) conduct.offend('p', 5, 20)
  assert.equal(conduct.score('p'), -20)
  conduct.offend('p', FRAME_POINTS)
  conduct.offend('p', 5, 20)
  assert.equal(conduct.score('p'), -120)
  await clock.advance(110_000)
  assert.equal(conduct.score('p'), -10)
})

test('offenders are bounded', () => {
  const { conduct } = setup()
  for (let i = 0; i <= 4_096; i += 1) conduct.offend(`${i}`, FRAME_POINTS)
  assert.deepEqual([conduct.isHeard('0'), conduct.isHeard('1')], [true, false])
})
