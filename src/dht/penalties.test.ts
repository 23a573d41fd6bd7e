import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import type { PeerId } from '../identity/index.ts'
import { Penalties } from './penalties.ts'

const alice = signerOf(1).peer
const bob = signerOf(2).peer

test('whoever is refused too often within the time is not read for as long', async () => {
  const clock = new FakeClock(1_000)
  const penalties = new Penalties(clock, { refusalsMax: 3, penaltyMs: 1_000 })
  assert.deepEqual([penalties.refused(alice), penalties.refused(alice)], [false, false])
  assert.equal(penalties.has(alice), false)
  await clock.advance(900)
  assert.equal(penalties.refused(alice), true)
  assert.equal(penalties.has(alice), true)
  assert.equal(penalties.has(bob), false)
  await clock.advance(999)
  assert.equal(penalties.has(alice), true)
  await clock.advance(1)
  assert.equal(penalties.has(alice), false)
  assert.equal(penalties.refused(alice), false, 'and counts from nothing')
})

test('refusals that lie far apart are forgotten', async () => {
  const clock = new FakeClock(1_000)
  const penalties = new Penalties(clock, { refusalsMax: 2, penaltyMs: 1_000 })
  for (let i = 0; i < 10; i += 1) {
    assert.equal(penalties.refused(alice), false)
    await clock.advance(1_000)
  }
})

test('so many peers are remembered and no more', () => {
  const penalties = new Penalties(new FakeClock(), { refusalsMax: 1, penaltyMs: 1_000 })
  const named = (i: number) => `peer ${i}` as PeerId
  for (let i = 0; i < 4_097; i += 1) penalties.refused(named(i))
  assert.equal(penalties.has(named(0)), false)
  assert.equal(penalties.has(named(1)), true)
  assert.equal(penalties.has(named(4_096)), true)
})
