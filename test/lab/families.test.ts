/**
 * One version of IP only, on either side. What has no common version meets at a relay with both.
 *
 *   a ── IPv4, IPv6 or both ──┐
 *                             ├── internet ── relay 5.9.77.10, 2a01:4f8:77::10
 *   b ── IPv4, IPv6 or both ──┘
 *
 * Over IPv6 a router translates nothing and lets in only answers, so that a hole must be punched.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { labUnavailable } from './namespaces.ts'
import { bestPath, pathOf } from './nat-cell.ts'
import type { SiteOptions } from './topology.ts'
import { A, B, openWorld, RELAY } from './world.ts'

const unavailable = labUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const WITHIN_MS = 10_000

const only4 = ({ ip4 }: typeof A): SiteOptions => ({ nat: 'restricted', ip4 })
const only6 = ({ ip6 }: typeof A): SiteOptions => ({ nat: 'none', ip6 })
const both = ({ ip4, ip6 }: typeof A): SiteOptions => ({ nat: 'restricted', ip4, ip6 })

const CASES: Readonly<Record<string, { a: SiteOptions; b: SiteOptions; via: RegExp }>> = {
  'IPv6 only and IPv6 only': { a: only6(A), b: only6(B), via: /^\/ip6\// },
  'IPv4 only and IPv4 only': { a: only4(A), b: only4(B), via: /^\/ip4\// },
  'IPv6 only and both': { a: only6(A), b: both(B), via: /^\/ip6\// },
  'both and IPv6 only': { a: both(A), b: only6(B), via: /^\/ip6\// },
  'IPv4 only and both': { a: only4(A), b: both(B), via: /^\/ip4\// },
  'both and IPv4 only': { a: both(A), b: only4(B), via: /^\/ip4\// },
  'IPv6 only and IPv4 only': { a: only6(A), b: only4(B), via: /p2p-circuit/ },
  'IPv4 only and IPv6 only': { a: only4(A), b: only6(B), via: /p2p-circuit/ },
}

// Most of each is waiting, in namespaces of its own.
describe('families', { concurrency: 2 }, () => {
  for (const [name, { a, b, via }] of Object.entries(CASES)) {
    test(`${name}: connected in ten seconds`, { skip }, async () => {
      await using world = await openWorld({ a, b, relay: RELAY })
      const { error, ms } = await world.a.reach(world.b.peerId)
      assert.equal(error, undefined, `${error?.message ?? ''}\n${world.a.log}`)
      assert.ok(ms < WITHIN_MS, `${Math.round(ms)} ms`)
      const found = await world.a.until(async () => {
        const best = bestPath(await world.a.connectionsTo(world.b.peerId))
        return best !== undefined && via.test(best.address) ? best : undefined
      }, WITHIN_MS)
      const all = await world.a.connectionsTo(world.b.peerId)
      const states = await Promise.all([world.a, world.b].map((one) => one.must('status')))
      const logs = `${world.a.log}\n${world.b.log}\n${JSON.stringify(states)}`
      assert.ok(found !== undefined, `wanted ${String(via)}: ${JSON.stringify(all)}\n${logs}`)
      if (via.test('/p2p-circuit')) assert.equal(pathOf(found), 'relayed')
    })
  }
})
