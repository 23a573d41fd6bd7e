/** The limit of bandwidth over real sockets: held, shared, without loss, and changed at once. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Registry, secureRandom, silentLog, systemClock } from '../../src/base/index.ts'
import { generateKeys } from '../../src/identity/index.ts'
import {
  type Channel,
  createNet,
  type Libp2pHost,
  type NetConfig,
  netConfig,
  netMetrics,
  type Protocol,
} from '../../src/net/index.ts'
import { openPolicy, testHost } from '../support/testnet.ts'

const PATHS = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/0/quic-v1']
/** Bytes a second of one megabit. */
const MBIT = 125_000
const FRAME = 32 * 1_024

const sink: Protocol = {
  id: '/test/sink/1.0.0',
  framing: 'varint',
  frameBytesMax: 64 * 1_024,
  inboundMax: 8,
  outboundMax: 8,
}

/** A host whose configuration can be changed while it runs, and what it received of whom. */
async function limited(listen: string, over: Partial<NetConfig>) {
  const config = netConfig.parse({ listen: [listen], ...over })
  const host = await createNet(
    {
      keys: generateKeys(secureRandom),
      policy: openPolicy,
      clock: systemClock,
      log: silentLog,
      metrics: netMetrics(new Registry()),
      agent: 'p2p-foundation/test',
    },
    config,
  )
  const received = new Map<string, number>()
  await host.start()
  await host.handle(sink, async (channel) => {
    for (let frame = await channel.read(); frame !== undefined; frame = await channel.read()) {
      received.set(channel.peer, (received.get(channel.peer) ?? 0) + frame.length)
    }
  })
  return { host, config, received, [Symbol.asyncDispose]: () => host.stop() }
}

async function sender(target: Libp2pHost, listen: string) {
  const host = await testHost({ listen: [listen] })
  await host.start()
  await host.connect(target.addresses()[0] ?? '')
  const open = () => host.open(target.self, sink)
  return { host, open, [Symbol.asyncDispose]: () => host.stop() }
}

/** Writes as fast as it may until the time is over. */
async function pour(channel: Channel, signal: AbortSignal): Promise<void> {
  const frame = new Uint8Array(FRAME)
  try {
    while (!signal.aborted) await channel.write(frame, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

for (const path of PATHS) {
  test(`what is received stays within the limit, in equal parts, over ${path}`, async (t) => {
    await using victim = await limited(path, { bandwidthMaxMbps: 16 })
    await using a = await sender(victim.host, path)
    await using b = await sender(victim.host, path)
    // One of them tries it with four streams.
    const channels = [await a.open(), await a.open(), await a.open(), await a.open()]
    channels.push(await b.open())
    const began = performance.now()
    const over = new AbortController()
    const poured = channels.map((channel) => pour(channel, over.signal))
    await wait(3_000)
    const seconds = (performance.now() - began) / 1_000
    const [ofA = 0, ofB = 0] = [a, b].map(({ host }) => victim.received.get(host.self))
    over.abort()
    await Promise.all(poured)
    const rate = (ofA + ofB) / seconds / MBIT
    t.diagnostic(`${rate.toFixed(1)} Mbit/s, ${((100 * ofA) / (ofA + ofB)).toFixed(0)} % by one`)
    // What passes at once after a pause, and what is on its way, comes on top.
    assert.ok(rate <= 16 + 6, `${rate} Mbit/s`)
    assert.ok(ofA + ofB > 0 && ofA < 3 * ofB && ofB < 3 * ofA, `${ofA} and ${ofB}`)
  })

  test(`what is sent stays within the limit, and a new one applies at once, over ${path}`, async () => {
    await using target = await limited(path, {})
    const config = { bandwidthPerPeerMaxMbps: 2 }
    await using source = await limited(path, config)
    await source.host.connect(target.host.addresses()[0] ?? '')
    const channel = await source.host.open(target.host.self, sink)
    const frame = new Uint8Array(FRAME)
    const began = performance.now()
    const sending = (async () => {
      for (let i = 0; i < 64; i += 1) await channel.write(frame)
      await channel.close()
    })()
    await wait(1_500)
    const slow = target.received.get(source.host.self) ?? 0
    const seconds = (performance.now() - began) / 1_000
    // One write is never cut: what it had too much is paid for afterwards.
    assert.ok(slow <= 2 * MBIT * seconds + 640 * 1_024, `${slow} bytes in ${seconds} s`)
    source.config.bandwidthPerPeerMaxMbps = 0
    await sending
    const end = performance.now() + 2_000
    while ((target.received.get(source.host.self) ?? 0) < 64 * FRAME) {
      assert.ok(performance.now() < end, 'the rest comes at once, and nothing is lost')
      await wait(10)
    }
  })
}
