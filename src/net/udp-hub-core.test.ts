import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { HubCore, type HubGate, type HubLimits } from './udp-hub-core.ts'

const BOB = { host: '192.0.2.1', port: 9 }
const LIMITS: HubLimits = {
  gatesMax: 8,
  gatesPerHostMax: 3,
  gatesPerSiteMax: 4,
  opensPerSecondMax: 100,
  handshakeMs: 1_000,
  idleMs: 5_000,
}

function setup(limits: Partial<HubLimits> = {}) {
  const clock = new FakeClock()
  const closed: HubGate[] = []
  const core = new HubCore({ clock, closed: (gate) => closed.push(gate) }, { ...LIMITS, ...limits })
  return { clock, closed, core }
}

function id(first: number): number[] {
  return [first, 0, 0, 0, 0, 0, 0, first]
}

/** A long header of version 1, padded to `length`. */
function long(first: number, destination: number[], source: number[], length = 60): Uint8Array {
  const bytes = new Uint8Array(length)
  bytes.set([first, 0, 0, 0, 1, destination.length, ...destination, source.length, ...source])
  return bytes
}

/** What opens a connection: to an id that the client made up, from its own. */
function initial(from = id(7)): Uint8Array {
  return long(0xc3, id(99), from, 1_200)
}

function short(destination: number[], first = 0x41): Uint8Array {
  return Uint8Array.from([first, ...destination, 1, 2, 3])
}

/** The one gate that gets it. */
function gateOf({ gates }: { readonly gates: readonly HubGate[] }): HubGate {
  assert.equal(gates.length, 1)
  const [gate] = gates
  assert.ok(gate !== undefined)
  return gate
}

test('only an Initial of full size lets a stranger in', () => {
  const { core } = setup()
  const strays = [
    initial().subarray(0, 1_199),
    long(0xe3, id(99), id(7), 1_200),
    long(0xc3, [1, 2], id(7), 1_200),
    short(id(1)),
    Uint8Array.of(),
    Uint8Array.of(0xc3),
  ]
  const ofVersion2 = initial()
  ofVersion2[4] = 2
  for (const bytes of [...strays, ofVersion2]) {
    assert.equal(core.fromNet(bytes, BOB).dropped, 'stray')
  }
  assert.equal(core.size, 0)
  assert.equal(gateOf(core.fromNet(initial(), BOB)).direction, 'inbound')
  assert.equal(core.size, 1)
})

test('what a stranger sends without the bit of QUIC is for other protocols', () => {
  const { core } = setup()
  for (const first of [0, 4, 6, 0x3f, 0x80]) {
    const verdict = core.fromNet(Uint8Array.of(first, 1, 2), BOB)
    assert.deepEqual(verdict, { gates: [], isOther: true })
  }
})

test('a packet goes to the side that made its id, with and without the bit of QUIC', () => {
  const { core } = setup()
  const outbound = core.dial(BOB)
  assert.ok(outbound !== undefined)
  core.fromAddon(initial(id(1)), outbound)
  const inbound = gateOf(core.fromNet(initial(), BOB))
  core.fromAddon(long(0xc3, id(7), id(2), 1_200), inbound)
  for (const first of [0x41, 0x01]) {
    assert.equal(gateOf(core.fromNet(short(id(1), first), BOB)), outbound)
    assert.equal(gateOf(core.fromNet(short(id(2), first), BOB)), inbound)
  }
  for (const first of [0xe3, 0xa3]) {
    assert.equal(gateOf(core.fromNet(long(first, id(1), id(5)), BOB)), outbound)
    assert.equal(gateOf(core.fromNet(long(first, id(2), id(5)), BOB)), inbound)
  }
})

test('a packet to an id that nobody knows goes to each side that talks to its sender', () => {
  const { core } = setup()
  const outbound = core.dial(BOB)
  assert.deepEqual(core.fromNet(short(id(3)), BOB).gates, [outbound])
  const inbound = gateOf(core.fromNet(initial(), BOB))
  assert.deepEqual(core.fromNet(short(id(3)), BOB), { gates: [inbound, outbound], isOther: false })
  // Greased or not QUIC at all: only the keys tell.
  const greased = core.fromNet(short(id(3), 0x05), BOB)
  assert.deepEqual(greased, { gates: [inbound, outbound], isOther: true })
  assert.equal(core.fromNet(short(id(3)), { ...BOB, port: 10 }).dropped, 'stray')
})

test('gates of strangers are bounded by host, by site and in number', () => {
  const { core } = setup()
  const knock = (host: string, port: number) => core.fromNet(initial(), { host, port }).dropped
  for (const port of [1, 2, 3]) assert.equal(knock('192.0.2.1', port), undefined)
  assert.equal(knock('192.0.2.1', 4), 'host')
  assert.equal(knock('192.0.2.2', 1), undefined)
  assert.equal(knock('192.0.2.3', 1), 'site')
  for (const last of [1, 2, 3]) {
    assert.equal(knock(`2001:db8:0:${last}::1`, 1), undefined, 'one /56, three addresses')
  }
  assert.equal(knock('2001:db8:0:44::1', 1), 'host')
  assert.equal(core.size, 7)
})

test('a full hub gives the oldest unproven place away, and no other', () => {
  const { core, closed } = setup({ gatesMax: 3 })
  const at = (last: number) => ({ host: `198.51.${last}.1`, port: 1 })
  const first = gateOf(core.fromNet(initial(), at(1)))
  core.fromAddon(long(0xc3, id(7), id(2), 1_200), first)
  core.fromNet(long(0xe3, id(2), id(7)), at(1))
  const second = gateOf(core.fromNet(initial(), at(2)))
  assert.ok(core.dial(at(3)) !== undefined)
  assert.ok(core.dial(at(4)) !== undefined)
  assert.deepEqual(closed, [second])
  assert.equal(core.dial(at(5)), undefined)
  assert.equal(core.fromNet(initial(), at(6)).dropped, 'full')
  assert.equal(core.dial(at(4))?.remote.host, at(4).host)
})

test('new gates of one host are bounded by the second', async () => {
  const { core, clock } = setup({
    opensPerSecondMax: 2,
    gatesPerHostMax: 100,
    gatesPerSiteMax: 100,
  })
  const knock = (port: number) => core.fromNet(initial(), { ...BOB, port }).dropped
  assert.deepEqual([knock(1), knock(2), knock(3)], [undefined, undefined, 'rate'])
  await clock.advance(500)
  assert.deepEqual([knock(4), knock(5)], [undefined, 'rate'])
})

test('a gate ends: unproven soon, idle with its connection, otherwise a little after it', async () => {
  const { core, clock, closed } = setup()
  const unproven = gateOf(core.fromNet(initial(), BOB))
  await clock.advance(900)
  // Neither more of the same nor our own answers make it live longer.
  core.fromNet(initial(), BOB)
  core.fromAddon(long(0xc3, id(7), id(2), 1_200), unproven)
  await clock.advance(200)
  core.expire()
  assert.deepEqual(closed.splice(0), [unproven])

  const dialled = core.dial(BOB)
  assert.ok(dialled !== undefined)
  core.hold(dialled)
  await clock.advance(4_900)
  core.fromAddon(short(id(9)), dialled)
  await clock.advance(4_900)
  core.expire()
  assert.deepEqual(closed, [])
  core.release(dialled)
  await clock.advance(900)
  core.expire()
  assert.deepEqual(closed, [])
  await clock.advance(200)
  core.expire()
  assert.deepEqual(closed, [dialled])
  assert.equal(core.size, 0)
})

test('what a remote sends does not keep its gate alive; only the addon does', async () => {
  const { core, clock } = setup()
  const gate = core.dial(BOB)
  assert.ok(gate !== undefined)
  await clock.advance(900)
  core.fromNet(short(id(9)), BOB)
  await clock.advance(200)
  core.expire()
  assert.equal(core.size, 0)
})

test('whatever comes in whichever order, the bounds hold and every gate is told closed', () => {
  const hosts = fc.constantFrom('192.0.2.1', '192.0.2.2', '198.51.100.1', '2001:db8::1', '::1')
  const packet = fc.oneof(
    fc.constant(initial()),
    fc.uint8Array({ maxLength: 64 }),
    fc.nat(4).map((n) => short(id(n))),
    fc.nat(4).map((n) => long(0xe3, id(n), id(n + 1))),
  )
  const step = fc.record({
    kind: fc.constantFrom('net', 'addon', 'dial', 'hold', 'release', 'expire', 'close'),
    remote: fc.record({ host: hosts, port: fc.integer({ min: 1, max: 4 }) }),
    packet,
    ms: fc.nat(700),
  })
  const walk = fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const { core, clock, closed } = setup()
    const open = new Set<HubGate>()
    for (const { kind, remote, packet: bytes, ms } of steps) {
      const known = [...open].find((gate) => gate.remote.port === remote.port)
      if (kind === 'net') for (const gate of core.fromNet(bytes, remote).gates) open.add(gate)
      if (kind === 'dial') for (const gate of [core.dial(remote) ?? []].flat()) open.add(gate)
      if (kind === 'expire') {
        await clock.advance(ms)
        core.expire()
      }
      if (known !== undefined && kind === 'addon') core.fromAddon(bytes, known)
      if (known !== undefined && (kind === 'hold' || kind === 'release' || kind === 'close')) {
        core[kind](known)
      }
      for (const gate of closed.splice(0)) assert.ok(open.delete(gate), 'closed once')
      assert.equal(core.size, open.size)
      assert.ok(core.size <= LIMITS.gatesMax)
      const inbound = [...open].filter(({ direction }) => direction === 'inbound')
      for (const host of ['192.0.2.1', '::1']) {
        const ofHost = inbound.filter((gate) => gate.remote.host === host)
        assert.ok(ofHost.length <= LIMITS.gatesPerHostMax)
      }
    }
  })
  return fc.assert(walk, { numRuns: 200 })
})
