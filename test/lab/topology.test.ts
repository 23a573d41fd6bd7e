/**
 * The NATs and firewalls of the lab behave as they are named: told by datagrams, in the terms of
 * RFC 4787, for what a router's rules say is not what a router does.
 *
 *   a (10.x.0.2:4000) ── [a-router] 81.2.69.100 ──┐
 *                                                 ├── internet
 *   one: 5.9.77.10, 5.9.77.11 ── two: 91.10.20.1 ─┘
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labUnavailable } from './namespaces.ts'
import { type Endpoint, Probe } from './probe.ts'
import { Internet, type Site, type SiteOptions } from './topology.ts'
import { wireUnavailable } from './wire.ts'

const unavailable = labUnavailable() ?? wireUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const PUBLIC = '81.2.69.100'
const [ONE, TWO] = ['5.9.77.10', '91.10.20.1']
const [ONE6, TWO6] = ['2a01:4f8:77::1', '2a02:2e0:77::1']
const PORT = 4_000

/** Who may use a mapping that a packet to `one`, port 1000, has made. */
const KINDS = {
  none: { maps: 'by itself', unasked: true, otherHost: true, otherPort: true },
  cone: { maps: 'by itself', unasked: false, otherHost: true, otherPort: true },
  'address-restricted': { maps: 'by itself', unasked: false, otherHost: false, otherPort: true },
  restricted: { maps: 'by itself', unasked: false, otherHost: false, otherPort: false },
  symmetric: { maps: 'by peer', unasked: false, otherHost: false, otherPort: false },
  'carrier-grade': { maps: 'by itself', unasked: false, otherHost: false, otherPort: false },
} as const

for (const [nat, expected] of Object.entries(KINDS)) {
  test(`a NAT that is ${nat} maps and filters as its name says`, { skip }, async () => {
    await using world = await open({ nat: nat as SiteOptions['nat'], ip4: PUBLIC })
    const { a, one, two } = world
    const at = (port: number) => ({ host: PUBLIC, port })
    const unasked = await one.reaches(a, { from: 1_000, to: at(PORT) })
    assert.equal(unasked !== undefined, expected.unasked, 'before the machine has sent')

    const seen = [
      await a.reaches(one, { from: PORT, to: { host: ONE, port: 1_000 } }),
      await a.reaches(one, { from: PORT, to: { host: ONE, port: 1_001 } }),
      await a.reaches(two, { from: PORT, to: { host: TWO, port: 1_000 } }),
    ]
    const ports = new Set(seen.map((endpoint) => endpoint?.port))
    assert.ok(seen.every((endpoint) => endpoint?.host === PUBLIC))
    assert.equal(ports.size, expected.maps === 'by itself' ? 1 : 3, 'the mapping')
    const mapped = at(seen[0]?.port ?? 0)
    const back = await one.reaches(a, { from: 1_000, to: mapped })
    assert.ok(back !== undefined, 'an answer comes in')
    const otherPort = await one.reaches(a, { from: 1_002, to: mapped })
    assert.equal(otherPort !== undefined, expected.otherPort, 'from another port of the same host')
    const otherHost = await two.reaches(a, { from: 1_002, to: mapped })
    // `two` has been sent to as well, so an address-dependent filter knows it.
    const met = expected.otherHost || (nat === 'address-restricted' && ports.size === 1)
    assert.equal(otherHost !== undefined, met, 'from another port of another host')
  })
}

test('an address-restricted NAT lets in no host that was not sent to', { skip }, async () => {
  await using world = await open({ nat: 'address-restricted', ip4: PUBLIC })
  const { a, one, two } = world
  await a.reaches(one, { from: PORT, to: { host: ONE, port: 1_000 } })
  assert.equal(await two.reaches(a, { from: 1_000, to: { host: PUBLIC, port: PORT } }), undefined)
})

test('an unasked packet takes nothing from the mapping of a later one', { skip }, async () => {
  await using world = await open({ nat: 'restricted', ip4: PUBLIC })
  const { a, one } = world
  const early: Endpoint = { host: PUBLIC, port: PORT }
  assert.equal(await one.reaches(a, { from: 1_000, to: early }), undefined)
  const seen = await a.reaches(one, { from: PORT, to: { host: ONE, port: 1_000 } })
  assert.deepEqual(seen, early)
})

test('a firewall without UDP lets TCP out, and no datagram', { skip }, async () => {
  await using world = await open({ nat: 'restricted', ip4: PUBLIC, firewall: 'udp-blocked' })
  const { a, one } = world
  await one.listen(80)
  const sent = await a.reaches(one, { from: PORT, to: { host: ONE, port: 1_000 } })
  assert.equal(sent, undefined)
  assert.equal(await a.connects({ host: ONE, port: 80 }), 'answered')
})

test('a firewall for TCP 443 lets out nothing else', { skip }, async () => {
  await using world = await open({ nat: 'restricted', ip4: PUBLIC, firewall: 'tcp-443-only' })
  const { a, one } = world
  await one.listen(80)
  await one.listen(443)
  const sent = await a.reaches(one, { from: PORT, to: { host: ONE, port: 1_000 } })
  assert.equal(sent, undefined)
  assert.equal(await a.connects({ host: ONE, port: 80 }), 'timed out')
  assert.equal(await a.connects({ host: ONE, port: 443 }), 'answered')
})

for (const nat of ['none', 'restricted', 'carrier-grade'] as const) {
  test(`IPv6 through a router that is ${nat}: out untranslated, in only as answer`, {
    skip,
  }, async () => {
    const ip6 = '2a03:4000:77::a'
    await using world = await open({ nat, ip4: PUBLIC, ip6 })
    const { a, one } = world
    const unasked = await one.reaches(a, { from: 1_000, to: { host: ip6, port: PORT } })
    assert.equal(unasked, undefined)
    const seen = await a.reaches(one, { from: PORT, to: { host: ONE6, port: 1_000 } })
    assert.deepEqual(seen, { host: ip6, port: PORT })
    assert.ok(await one.reaches(a, { from: 1_000, to: { host: ip6, port: PORT } }))
  })
}

test('a site with IPv6 only has no IPv4', { skip }, async () => {
  await using world = await open({ nat: 'none', ip6: '2a03:4000:77::a' })
  const { a, one } = world
  const to = { host: ONE, port: 1_000 }
  assert.equal(await a.reaches(one, { from: PORT, to }), undefined)
  const seen = await a.reaches(one, { from: PORT, to: { host: ONE6, port: 1_000 } })
  assert.equal(seen?.host, '2a03:4000:77::a')
})

test('an ICMP black hole swallows what is too large, and says nothing', { skip }, async () => {
  const nat = 'restricted'
  await using silent = await open({ nat, ip4: PUBLIC, mtu: 1_280, icmpBlackHole: true })
  await silent.one.listen(80)
  const to = { host: ONE, port: 1_000 }
  assert.ok(await silent.a.reaches(silent.one, { from: PORT, to, bytes: 1_252 }))
  assert.equal(await silent.a.reaches(silent.one, { from: PORT, to, bytes: 1_253 }), undefined)
  assert.equal(await silent.a.reaches(silent.one, { from: PORT, to, bytes: 1_253 }), undefined)
  const upload = { bytes: 100_000 }
  assert.equal(await silent.a.connects({ host: ONE, port: 80 }), 'answered')
  assert.equal(await silent.a.connects({ host: ONE, port: 80 }, upload), 'timed out')
})

test('a router with a small MTU that says so is no black hole', { skip }, async () => {
  await using world = await open({ nat: 'restricted', ip4: PUBLIC, mtu: 1_280 })
  await world.one.listen(80)
  const upload = await world.a.connects({ host: ONE, port: 80 }, { bytes: 100_000 })
  assert.equal(upload, 'answered')
})

test('a line delays what passes between a site and the internet', { skip }, async () => {
  const line = { delayMs: 40, loss: 0 }
  await using world = await open({ nat: 'restricted', ip4: PUBLIC, line })
  await world.one.listen(80)
  const began = performance.now()
  assert.equal(await world.a.connects({ host: ONE, port: 80 }), 'answered')
  assert.ok(performance.now() - began > 160, 'two round trips of 80 ms')
})

interface World extends AsyncDisposable {
  readonly a: Probe
  readonly one: Probe
  readonly two: Probe
}

async function open(options: SiteOptions): Promise<World> {
  await using opened = new AsyncDisposableStack()
  const internet = opened.use(new Internet())
  const sites: readonly Site[] = [
    await internet.host('one', { ip4: ONE, ip6: ONE6 }),
    await internet.host('two', { ip4: TWO, ip6: TWO6 }),
    await internet.site('a', options),
  ]
  const [one, two, a] = sites.map(({ host }) => new Probe(host))
  assert.ok(one !== undefined && two !== undefined && a !== undefined)
  for (const probe of [one, two]) for (const port of [1_000, 1_001, 1_002]) await probe.bind(port)
  await a.bind(PORT)
  const stack = opened.move()
  return { a, one, two, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}
