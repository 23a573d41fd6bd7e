/**
 * What anybody can send to the hub's public port, and a gate what looks like the addon's: nothing
 * throws, no packet goes to a gate of another remote, and only a full Initial makes a gate.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HubCore, type HubGate } from '../../src/net/udp-hub-core.ts'
import {
  destinationId,
  isFixed,
  isLong,
  opensConnection,
  sourceId,
} from '../../src/net/udp-hub-packet.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const BOB = { host: '192.0.2.1', port: 9 }
const EVE = { host: '192.0.2.1', port: 10 }
const LIMITS = {
  gatesMax: 4,
  gatesPerHostMax: 2,
  gatesPerSiteMax: 2,
  opensPerSecondMax: 1_000_000,
  handshakeMs: 1_000,
  idleMs: 5_000,
}

/** The head of a long header of version 1, true or bent, in a packet of any length. */
const packet = fc.oneof(
  fc.uint8Array({ maxLength: 1_500 }),
  fc
    .tuple(
      fc.constantFrom(0xc0, 0xc3, 0xe0, 0x80, 0xff),
      fc.constantFrom(0, 1, 2),
      fc.uint8Array({ maxLength: 48 }),
      fc.integer({ min: 6, max: 1_500 }),
    )
    .map(([first, version, rest, length]) => {
      const bytes = new Uint8Array(Math.max(length, 5 + rest.length))
      bytes.set([first, 0, 0, 0, version, ...rest])
      return bytes
    }),
)

test(`hub, seed ${SEED}: any packet is told apart or dropped, and nothing throws`, () => {
  fc.assert(
    fc.property(packet, (bytes) => {
      const ids = [destinationId(bytes), sourceId(bytes)].filter((id) => id !== undefined)
      for (const id of ids) assert.ok(id.length <= 20)
      if (opensConnection(bytes)) assert.ok(isLong(bytes) && isFixed(bytes) && ids.length === 2)
    }),
    { numRuns: CASES, seed: SEED },
  )
})

test(`hub, seed ${SEED}: no packet crosses to another remote, whatever went before`, () => {
  const clock = new FakeClock()
  const turn = fc.record({
    bytes: packet,
    from: fc.constantFrom('bob', 'eve', 'through'),
    ms: fc.nat(100),
  })
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 20 }), (turns) => {
      const core = new HubCore({ clock, closed: () => undefined }, LIMITS)
      const dialled = core.dial(BOB)
      assert.ok(dialled !== undefined)
      for (const { bytes, from } of turns) take(core, bytes, { from, dialled })
    }),
    { numRuns: Math.ceil(CASES / 10), seed: SEED },
  )
})

function take(
  core: HubCore,
  bytes: Uint8Array,
  { from, dialled }: { readonly from: 'bob' | 'eve' | 'through'; readonly dialled: HubGate },
): void {
  if (from === 'through') core.fromAddon(bytes, dialled)
  if (from === 'through') return
  const remote = from === 'bob' ? BOB : EVE
  const before = core.size
  const { gates } = core.fromNet(bytes, remote)
  for (const gate of gates) assert.deepEqual(gate.remote, remote)
  if (core.size > before) assert.ok(opensConnection(bytes))
  assert.ok(core.size <= LIMITS.gatesMax)
}
