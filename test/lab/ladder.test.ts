/**
 * Three rungs of the link ladder; `npm run lab -- ladder` climbs all of them.
 *
 *   a (10.78.0.1) ── line: rate, delay, jitter, bursts of loss ── b (10.78.0.2)
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { climb, LADDER_TRANSPORTS, RUNGS } from './ladder.ts'
import { linkUnavailable } from './link.ts'

const unavailable = linkUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const SHORT = ['good-wifi', 'slow-3g', 'barely-usable']

for (const rung of RUNGS.filter(({ name }) => SHORT.includes(name))) {
  test(`${rung.name}: both transports connect and deliver`, { skip }, async (t) => {
    const climbed = await climb(rung, { seed: 1 })
    for (const transport of LADDER_TRANSPORTS) {
      const { connectMs = 0, error, mbps = 0 } = climbed[transport]
      t.diagnostic(`${transport}: ${Math.round(connectMs)} ms, ${mbps.toFixed(2)} Mbit/s`)
      assert.equal(error, undefined, `${transport}: ${error ?? ''}`)
    }
  })
}
