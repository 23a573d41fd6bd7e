/**
 * What a relay carries is under the limits of bandwidth of all three: it passes over connections to
 * the relay, which are held to them as any other.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { startAll, stopAll } from '../../src/base/index.ts'
import type { NetConfig, Protocol } from '../../src/net/index.ts'
import { eventually } from '../support/nodes.ts'
import { testHost } from '../support/testnet.ts'

/** Bytes a second of one megabit. */
const MBIT = 125_000
const LIMIT = 8
const SECONDS = 2
/** What passes at once after a pause, and what is on its way when it is counted. */
const AHEAD_BYTES = 1_048_576

const SINK: Protocol = {
  id: '/test/sink/1',
  framing: 'varint',
  frameBytesMax: 65_536,
  inboundMax: 8,
  outboundMax: 8,
}

/** How many bytes reach the called through a relay; one of the three is limited. */
async function relayedBytes(path: string, limited: 'relay' | 'called'): Promise<number> {
  const hostOf = (who: string, config: Partial<NetConfig> = {}) => {
    const slow = who === limited ? { bandwidthMaxMbps: LIMIT } : {}
    const over = { holePunching: false, autonat: false, ...slow, ...config }
    return testHost({ listen: [path], config: over, deps: { reachScope: 'loopback' } })
  }
  const relay = await hostOf('relay', { relayServer: 'always' })
  await startAll([relay])
  const relays = relay.addresses().slice(0, 1)
  const [caller, called] = [await hostOf('caller', { relays }), await hostOf('called', { relays })]
  await startAll([caller, called])
  let bytes = 0
  try {
    await called.handle(SINK, async (channel) => {
      for await (const frame of framesOf(channel)) bytes += frame.length
    })
    called.reach.wantRelays(true)
    const address = await eventually(async () => {
      return called.addresses().find((text) => text.includes('/p2p-circuit'))
    })
    await caller.connect(address)
    const channel = await caller.open(called.self, SINK)
    const over = new AbortController()
    const pouring = (async () => {
      while (!over.signal.aborted) await channel.write(new Uint8Array(32_768), over)
    })().catch(() => undefined)
    await wait(1_000 * SECONDS)
    const passed = bytes
    over.abort()
    await pouring
    return passed
  } finally {
    await stopAll([relay, caller, called])
  }
}

async function* framesOf(channel: { read(): Promise<Uint8Array | undefined> }) {
  for (let frame = await channel.read(); frame !== undefined; frame = await channel.read()) {
    yield frame
  }
}

for (const path of ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/0/quic-v1']) {
  for (const limited of ['relay', 'called'] as const) {
    test(`the limit of the ${limited} holds for what is relayed over ${path}`, async (t) => {
      const bytes = await relayedBytes(path, limited)
      t.diagnostic(`${(bytes / MBIT / SECONDS).toFixed(1)} Mbit/s`)
      assert.ok(bytes > 0)
      assert.ok(bytes <= LIMIT * MBIT * SECONDS + AHEAD_BYTES, `${bytes} bytes`)
    })
  }
}
