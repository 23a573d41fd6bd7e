/**
 * Networks that let little through: no UDP, or nothing but TCP to port 443.
 *
 *   a ── [restricted NAT, firewall] ──┐
 *                                     ├── internet ── relay 5.9.77.10 (TCP 9000 and 443, QUIC 9001)
 *   b ── [none, restricted or the same] ──┘
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labUnavailable } from './namespaces.ts'
import { bestPath, PATHS, type Path, pathOf } from './nat-cell.ts'
import type { SiteOptions } from './topology.ts'
import { A, B, openWorld, type WorldOptions } from './world.ts'

const unavailable = labUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const WITHIN_MS = 5_000
const OPEN: SiteOptions = { nat: 'none', ip4: B.ip4 }
const NATTED: SiteOptions = { nat: 'restricted', ip4: B.ip4 }

test('without UDP a public peer is reached over TCP in five seconds', { skip }, async () => {
  const a: SiteOptions = { nat: 'restricted', ip4: A.ip4, firewall: 'udp-blocked' }
  // Where `b` came through the relay before it announced itself, the two leave it by a TCP punch.
  const { transport } = await reached({ a, b: OPEN }, ['direct', 'punched'])
  assert.equal(transport, 'tcp')
})

test('without UDP on one side a peer behind a NAT is reached in five seconds', {
  skip,
}, async () => {
  const a: SiteOptions = { nat: 'restricted', ip4: A.ip4, firewall: 'udp-blocked' }
  await reached({ a, b: NATTED })
})

test('without UDP on the other side a peer behind a NAT is reached in five seconds', {
  skip,
}, async () => {
  const b: SiteOptions = { ...NATTED, firewall: 'udp-blocked' }
  await reached({ a: { nat: 'restricted', ip4: A.ip4 }, b })
})

test('with TCP 443 alone a public peer is reached through a relay on 443', { skip }, async () => {
  const a: SiteOptions = { nat: 'restricted', ip4: A.ip4, firewall: 'tcp-443-only' }
  await reached({ a, b: OPEN, relayTcpPort: 443 }, ['relayed'])
})

test('with TCP 443 alone on both sides two peers meet at a relay on 443', { skip }, async () => {
  const a: SiteOptions = { nat: 'restricted', ip4: A.ip4, firewall: 'tcp-443-only' }
  const b: SiteOptions = { ...NATTED, firewall: 'tcp-443-only' }
  await reached({ a, b, relayTcpPort: 443 }, ['relayed'])
})

/**
 * Lets `a` reach `b`, in time, and tells how; over one of the paths that are wanted in that time
 * too, for `b` may have come to `a` through the relay before.
 */
async function reached(options: WorldOptions, wanted: readonly Path[] = PATHS) {
  await using world = await openWorld(options)
  const { error, ms } = await world.a.reach(world.b.peerId)
  assert.equal(error, undefined, `${error?.message ?? ''}\n${world.a.log}`)
  assert.ok(ms < WITHIN_MS, `${Math.round(ms)} ms`)
  const best = await world.a.until(async () => {
    const one = bestPath(await world.a.connectionsTo(world.b.peerId))
    assert.ok(one !== undefined, 'the connection is there')
    return wanted.includes(pathOf(one)) ? one : undefined
  }, WITHIN_MS - ms)
  assert.ok(best !== undefined, `not ${wanted.join(' or ')} in time; the log says:\n${world.a.log}`)
  return { transport: best.transport }
}
