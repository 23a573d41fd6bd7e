/**
 * Every scenario at a small size, with a fixed seed, as `npm run sim` runs it: its oracles are
 * content and its goals reached. The sizes that the project promises take longer and are run by
 * hand; `docs/simulator.md` says how.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunResult } from '../result.ts'
import { resultOf, sim } from '../sim-process.ts'

const SMALL: readonly (readonly string[])[] = [
  ['formation', '--nodes', '30', '--seed', '3'],
  ['faults', '--nodes', '12', '--seed', '4'],
  ['lookup', '--nodes', '20', '--seed', '5'],
  ['lookup', '--nodes', '2000', '--seed', '5'],
  ['liars', '--nodes', '1000', '--adversaries', '0.2', '--seed', '6'],
  ['eclipse', '--nodes', '1000', '--seed', '7'],
  ['gossip', '--nodes', '16', '--seed', '8'],
  ['gossip-sybils', '--nodes', '40', '--seed', '9'],
  ['gossip-churn', '--nodes', '12', '--seed', '10'],
  ['replay', '--nodes', '6', '--seed', '11'],
]

for (const args of SMALL) {
  test(args.join(' '), () => {
    const { failed, eventHash } = resultOf(...args)
    assert.deepEqual(failed, [])
    assert.match(eventHash ?? '', /^[0-9a-f]{64}$/)
  })
}

test('a seed brings a failure back, and shrinking it leaves one fault and few nodes', () => {
  const failing = sim('broken', '--seed', '5', '--nodes', '6', '--shrink', '--json')
  assert.equal(failing.status, 1)
  const command = /npm run sim -- (.*)/.exec(failing.stderr)?.[1] ?? ''
  const [, flags = '', faults = ''] = /^(.*) --faults '(.*)'$/.exec(command) ?? []
  const kinds = (JSON.parse(faults) as { kind: string }[]).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['reset'])
  const least = sim(...flags.split(' '), '--faults', faults, '--json')
  assert.equal(least.status, 1)
  const found = JSON.parse(least.last) as RunResult
  assert.deepEqual(found.failed, ['unbroken: a stream was broken'])
  assert.ok(found.nodes <= 4, `${found.nodes} nodes`)
})
