/**
 * A path that carries 1,280 bytes at most and does not say so.
 *
 *   a (believes in 1,500) ── [router, MTU 1,280, no ICMP] ──┐
 *                                                           ├── internet ── relay 5.9.77.10
 *   b ── 1,500 ─────────────────────────────────────────────┘
 *
 * QUIC begins with 1,200 bytes and looks for more by itself. TCP believes what it is told, and the
 * first full segment blocks all that comes after it, unless the hosts at both ends probe
 * (`net.ipv4.tcp_mtu_probing`): there the least is that nobody waits for ever.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labUnavailable } from './namespaces.ts'
import { bestPath } from './nat-cell.ts'
import type { SiteOptions } from './topology.ts'
import { A, B, openWorld, RELAY, type World } from './world.ts'

const unavailable = labUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const MIB = 1_024 * 1_024
const CALL_WITHIN_MS = 15_000
const NARROW: SiteOptions = { nat: 'restricted', ip4: A.ip4, mtu: 1_280, icmpBlackHole: true }
const PUBLIC: SiteOptions = { nat: 'none', ip4: B.ip4 }

test('QUIC goes through an ICMP black hole, both ways, with a mebibyte', { skip }, async () => {
  await using world = await openWorld({ a: NARROW, b: PUBLIC })
  await works(world, ['quic'])
})

test('QUIC goes through an ICMP black hole over IPv6', { skip }, async () => {
  const a: SiteOptions = { nat: 'none', ip6: A.ip6, mtu: 1_280, icmpBlackHole: true }
  const b: SiteOptions = { nat: 'none', ip6: B.ip6, router: 'open' }
  await using world = await openWorld({ a, b, relay: RELAY })
  await works(world, ['quic'])
})

test('TCP through an ICMP black hole works where the hosts probe for it', { skip }, async () => {
  const a: SiteOptions = { ...NARROW, firewall: 'udp-blocked' }
  await using world = await openWorld({ a, b: PUBLIC, sysctl: ['net.ipv4.tcp_mtu_probing=2'] })
  await works(world, ['tcp', 'relay'])
})

test('TCP through an ICMP black hole hangs nobody where they do not', { skip }, async () => {
  const a: SiteOptions = { ...NARROW, firewall: 'udp-blocked' }
  await using world = await openWorld({ a, b: PUBLIC, settleMs: 1_000 })
  // The address as it is: what a node says to be found by does not come through either.
  const target = `/ip4/${PUBLIC.ip4 ?? ''}/tcp/9000/p2p/${world.b.peerId}`
  await world.b.expose()
  const began = performance.now()
  const reached = await world.a.reach(target)
  const { error } = reached.error
    ? reached
    : await world.a.fetch(world.b.peerId, MIB, CALL_WITHIN_MS)
  assert.ok(performance.now() - began < CALL_WITHIN_MS + 5_000, 'an answer, or why there is none')
  assert.ok(error === undefined || error.code !== undefined, 'an error with a code')
})

/** Connects, and carries a mebibyte each way. */
async function works(world: World, over: readonly string[]): Promise<void> {
  const { error, ms } = await world.a.reach(world.b.peerId)
  assert.equal(error, undefined, `${error?.message ?? ''}\n${world.a.log}`)
  assert.ok(ms < 5_000, `${Math.round(ms)} ms`)
  const best = bestPath(await world.a.connectionsTo(world.b.peerId))
  assert.ok(best !== undefined && over.includes(best.transport), JSON.stringify(best))
  await world.b.expose()
  const there = await world.a.fetch(world.b.peerId, MIB, CALL_WITHIN_MS)
  assert.equal(there.error, undefined, said(world, there))
  const andBack = await world.a.echo(world.b.peerId, MIB, CALL_WITHIN_MS)
  assert.equal(andBack.error, undefined, said(world, andBack))
}

/** Why a call failed, with what both nodes logged meanwhile. */
function said({ a, b }: World, { error }: { readonly error?: { readonly message: string } }) {
  return `${error?.message ?? ''}\n${a.log}\n${b.log}`
}
