/** The shrinker, against runs that fail for a reason that is known. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fault } from '../../src/testing/index.ts'
import type { Run } from './result.ts'
import { shrink } from './shrink.ts'

const delay = (ms: number): Fault => ({ kind: 'delay', atMs: 0, forMs: 1, ms })
const reset: Fault = { kind: 'reset', atMs: 5, share: 0.5 }
const RUN: Run = {
  scenario: 'x',
  seed: 7,
  nodes: 100,
  adversaries: 0.2,
  faults: [delay(1), delay(2), reset, delay(3), delay(4), delay(5)],
}

/** Shrinks `RUN`, which fails as long as `cause` holds; counts the tries. */
async function shrunk(cause: (run: Run) => boolean) {
  let tries = 0
  const fails = async (run: Run) => {
    tries += 1
    return cause(run)
  }
  return { least: await shrink(RUN, fails, () => {}), tries: () => tries }
}

test('shrink() keeps the one fault that matters and no attackers', async () => {
  const { least } = await shrunk(({ faults = [] }) => faults.includes(reset))
  assert.deepEqual(least.faults, [reset])
  assert.equal(least.adversaries, 0)
  assert.equal(least.nodes, 3)
  assert.equal(least.seed, 7)
})

test('shrink() keeps two faults that only fail together', async () => {
  const { least } = await shrunk(({ faults = [] }) => {
    return faults.includes(reset) && faults.some((one) => one.kind === 'delay' && one.ms === 5)
  })
  assert.deepEqual(least.faults, [reset, delay(5)])
})

test('shrink() finds the least number of nodes', async () => {
  const { least } = await shrunk(({ nodes = 0 }) => nodes >= 17)
  assert.equal(least.nodes, 17)
  assert.deepEqual(least.faults, [])
})

test('shrink() keeps attackers that matter', async () => {
  const { least } = await shrunk(({ adversaries = 0 }) => adversaries > 0)
  assert.equal(least.adversaries, 0.2)
})

test('shrink() gives back what it cannot make smaller, after a bounded number of tries', async () => {
  const { least, tries } = await shrunk((run) => run === RUN)
  assert.deepEqual(least, RUN)
  assert.ok(tries() <= 40)
})
