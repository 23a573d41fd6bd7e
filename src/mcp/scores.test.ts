import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { testPeer } from '../../test/support/mcp-directory.ts'
import type { PeerId } from '../identity/index.ts'
import { Scores } from './scores.ts'

const peer = testPeer(1)

test('a stranger has no score', () => {
  assert.equal(new Scores(new FakeClock()).get(peer), undefined)
})

test('latency is averaged, and a success forgets the failures before it', () => {
  const scores = new Scores(new FakeClock())
  scores.succeeded(peer, 100)
  scores.failed(peer)
  scores.succeeded(peer, 200)
  const { success = 0, ...score } = scores.get(peer) ?? {}
  assert.deepEqual(score, { latencyMs: 120, failures: 0 })
  assert.ok(success > 0.8 && success < 1, 'one of three went wrong')
})

test('who answers again and again is as good as new in the end, and so is who is left alone', async () => {
  const clock = new FakeClock()
  const scores = new Scores(clock)
  const successOf = () => scores.get(peer)?.success ?? 0
  for (let i = 0; i < 10; i += 1) scores.failed(peer)
  assert.ok(successOf() < 0.2)
  const before = successOf()
  scores.succeeded(peer, 10)
  assert.ok(successOf() > before)
  await clock.advance(24 * 3_600_000)
  assert.equal(successOf(), 1)
})

test('a failure counts half after a minute and nothing after ten', async () => {
  const clock = new FakeClock()
  const scores = new Scores(clock)
  scores.failed(peer)
  assert.equal(scores.get(peer)?.failures, 1)
  await clock.advance(60_000)
  assert.equal(scores.get(peer)?.failures, 0.5)
  scores.failed(peer)
  assert.equal(scores.get(peer)?.failures, 1.5)
  await clock.advance(600_000)
  assert.equal(scores.get(peer)?.failures, 0)
})

test('failures never grow with time and are never negative', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100_000), { maxLength: 20 }), fc.nat(10_000_000), (gaps, later) => {
      let now = 0
      const clock = Object.assign(new FakeClock(), { now: () => now })
      const scores = new Scores(clock)
      for (const gap of gaps) {
        now += gap
        scores.failed(peer)
      }
      const before = scores.get(peer)?.failures ?? 0
      now += later
      const after = scores.get(peer)?.failures ?? 0
      assert.ok(after >= 0 && after <= before)
    }),
  )
})

test('no more than 4,096 peers are remembered: the one longest unheard of goes', () => {
  const scores = new Scores(new FakeClock())
  for (let i = 0; i <= 4_096; i += 1) scores.failed(`peer ${i}` as PeerId)
  assert.equal(scores.get('peer 0' as PeerId), undefined)
  assert.notEqual(scores.get('peer 4096' as PeerId), undefined)
})
