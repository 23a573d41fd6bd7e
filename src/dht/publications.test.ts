import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom, silentLog } from '../base/index.ts'
import { Publications } from './publications.ts'

const self = signerOf(1).peer
const other = signerOf(2).peer
const MINUTE = 60_000
const INTERVAL_MS = 20 * MINUTE

function setup(publishedMax = 10) {
  const clock = new FakeClock()
  const deps = { self, clock, random: seededRandom('publications'), log: silentLog }
  const kept = new Publications(deps, { publishedMax, intervalMs: INTERVAL_MS }, 'values')
  /** How many renewals fall due in `minutes`, looked at every 10 seconds. */
  const during = async (minutes: number, count: () => number) => {
    const before = count()
    for (let i = 0; i < minutes * 6; i += 1) {
      await clock.advance(10_000)
      await kept.renewDue({})
    }
    return count() - before
  }
  return { kept, clock, during }
}

test('what enough peers took is renewed once in each interval', async () => {
  const { kept, during } = setup()
  let runs = 0
  const publish = async () => {
    runs += 1
    return { stored: [self, other], wanted: 2 }
  }
  await kept.keep('a', publish, {})
  assert.equal(await during(15, () => runs), 0)
  assert.equal(await during(50, () => runs), 3)
  kept.drop('a')
  assert.equal(await during(60, () => runs), 0)
})

test('what nobody else took is tried again soon, and what too few took less and less often', async () => {
  const { kept, during } = setup()
  let alone = 0
  const byUsOnly = async () => {
    alone += 1
    return { stored: [self], wanted: 2 }
  }
  await kept.keep('alone', byUsOnly, {})
  assert.ok((await during(5, () => alone)) >= 8)
  kept.drop('alone')
  let few = 0
  const byOne = async () => {
    few += 1
    return { stored: [other], wanted: 2 }
  }
  await kept.keep('few', byOne, {})
  const soon = await during(20, () => few)
  assert.ok(soon >= 3 && soon <= 6, `${soon}`)
  assert.ok((await during(60, () => few)) <= 4)
})

test('a renewal that fails is tried again; a first attempt that fails is the callers', async () => {
  const { kept, during } = setup()
  let runs = 0
  const fails = async () => {
    runs += 1
    throw new TypeError('no network')
  }
  await assert.rejects(kept.keep('a', fails, {}), /no network/)
  assert.equal(await during(30, () => runs), 0)
  let later = 0
  const failsLater = async () => {
    later += 1
    if (later > 1) throw new TypeError('no network')
    return { stored: [other, self], wanted: 2 }
  }
  await kept.keep('b', failsLater, {})
  assert.ok((await during(30, () => later)) >= 5)
})

test('the number kept alive is bounded', async () => {
  const { kept } = setup(1)
  const publish = async () => ({ stored: [], wanted: 1 })
  await kept.keep('a', publish, {})
  await kept.keep('a', publish, {})
  await assert.rejects(kept.keep('b', publish, {}), coded('DHT_TOO_MANY'))
})
