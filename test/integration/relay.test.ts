/**
 * Circuit relay over loopback: peers that cannot reach each other meet at a relay, which carries
 * their bytes, cannot read them, and gives nobody more than its limits.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { startAll, stopAll } from '../../src/base/index.ts'
import type { Libp2pHost, NetConfig, Protocol } from '../../src/net/index.ts'
import { eventually } from '../support/nodes.ts'
import { askReservation } from '../support/relay-asker.ts'
import { testHost } from '../support/testnet.ts'

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const ECHO: Protocol = {
  id: '/test/echo/1',
  framing: 'varint',
  frameBytesMax: 1_048_576,
  inboundMax: 8,
  outboundMax: 8,
}

async function world(relayConfig: Partial<NetConfig> = {}) {
  const relay = await testHost({
    listen: LOOPBACK,
    config: { relayServer: 'always', ...relayConfig },
    deps: { reachScope: 'loopback' },
  })
  await startAll([relay])
  const relays = relay.addresses().slice(0, 1)
  const hosts: Libp2pHost[] = []
  const add = async (config: Partial<NetConfig> = {}) => {
    const host = await testHost({
      listen: LOOPBACK,
      config: { relays: [...relays], holePunching: false, autonat: false, ...config },
      deps: { reachScope: 'loopback' },
    })
    hosts.push(host)
    await startAll([host])
    return host
  }
  return {
    relay,
    add,
    relays,
    [Symbol.asyncDispose]: () => stopAll([relay, ...hosts]),
  }
}

/** Has a host reserve, as one behind a NAT would. */
async function reserve(host: Libp2pHost): Promise<string> {
  host.reach.wantRelays(true)
  return eventually(async () => {
    return host.addresses().find((address) => address.includes('/p2p-circuit'))
  })
}

test('two peers speak through a relay, and it says so', async () => {
  await using net = await world()
  const [a, b] = [await net.add(), await net.add()]
  await b.handle(ECHO, async (channel) => {
    const frame = await channel.read()
    if (frame !== undefined) await channel.write(frame)
  })
  const address = await reserve(b)
  assert.equal(await a.connect(address), b.self)
  assert.equal(pathTo(a, b), 'relayed')
  const channel = await a.open(b.self, ECHO)
  await channel.write(new TextEncoder().encode('hello'))
  assert.equal(new TextDecoder().decode(await channel.read()), 'hello')
  assert.equal(pathTo(b, a), 'relayed')
  assert.ok((await a.ping(b.self)) >= 0)
})

test('however many ask from one address, four get a reservation', async () => {
  await using net = await world()
  const hosts = await Promise.all(Array.from({ length: 6 }, () => net.add()))
  for (const host of hosts) host.reach.wantRelays(true)
  const relaying = () => net.relay.reachability().relaying
  await eventually(async () => (relaying().reservations === 4 ? true : undefined))
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => askReservation(net.relays[0] ?? '')),
  )
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
  assert.equal(relaying().reservations, 4)
})

test('a relay that goes is replaced by another', async () => {
  await using net = await world()
  const b = await net.add()
  await reserve(b)
  const other = await testHost({
    listen: LOOPBACK,
    config: { relayServer: 'always' },
    deps: { reachScope: 'loopback' },
  })
  await startAll([other])
  await b.connect(String(other.addresses()[0]))
  await eventually(async () => (b.reachability().relays.length === 2 ? true : undefined))
  await stopAll([net.relay])
  await eventually(async () => (b.reachability().relays.length === 1 ? true : undefined))
  assert.equal(b.reachability().relays[0]?.relay, other.self)
  const announced = b.addresses().filter((text) => text.includes('/p2p-circuit'))
  assert.ok(announced.every((text) => text.includes(other.self)))
  await stopAll([other])
})

test('a circuit ends at its limit, and says so to nobody but its ends', async () => {
  await using net = await world({ relayCircuitBytesMax: 65_536 })
  const [a, b] = [await net.add(), await net.add()]
  await b.handle(ECHO, async (channel) => {
    for (let frame = await channel.read(); frame !== undefined; frame = await channel.read()) {
      await channel.write(frame)
    }
  })
  await a.connect(await reserve(b))
  const channel = await a.open(b.self, ECHO)
  await assert.rejects(async () => {
    for (let sent = 0; sent < 40; sent += 1) {
      await channel.write(new Uint8Array(8_192))
      await channel.read()
    }
    throw new RangeError('all of it passed')
  }, /NET_|broken|closed|Cannot/)
  await eventually(async () => {
    return net.relay.reachability().relaying.circuits === 0 ? true : undefined
  })
  assert.equal(pathTo(a, net.relay), 'direct')
})

test('who is not there is not reached, and who is connected is, until circuits are scarce', async () => {
  await using net = await world({ relayCircuitsMax: 2 })
  const [a, b, c] = [await net.add(), await net.add(), await net.add()]
  const through = (host: Libp2pHost) => `${net.relays[0]}/p2p-circuit/p2p/${host.self}`
  await assert.rejects(a.connect(through(b)), /no reservation/)
  for (const host of [b, c]) await host.connect(net.relays[0] ?? '')
  assert.equal(await a.connect(through(b)), b.self)
  await assert.rejects(a.connect(through(c)), /no reservation/)
})

test('stock js-libp2p is reached through our relay, and we through it', async () => {
  await using net = await world()
  const stock = await stockPeer([`${net.relays[0]}/p2p-circuit`])
  const a = await net.add()
  try {
    await eventually(async () => {
      const found = stock.getMultiaddrs().some((one) => one.toString().includes('/p2p-circuit'))
      return found ? true : undefined
    })
    const target = `${net.relays[0]}/p2p-circuit/p2p/${stock.peerId.toString()}`
    assert.equal(await a.connect(target), stock.peerId.toString())
    const b = await net.add()
    const connection = await stock.dial(multiaddr(await reserve(b)))
    assert.equal(connection.remotePeer.toString(), b.self)
    assert.ok(connection.limits !== undefined, 'told of the limits')
    // Encrypted between the two ends: the relay has neither key.
    assert.equal(connection.encryption, '/noise')
  } finally {
    await stock.stop()
  }
})

test('a stock relay relays for us', async () => {
  const stock = await stockPeer(['/ip4/127.0.0.1/tcp/0'], { relay: circuitRelayServer() })
  await using net = await world()
  const [a, b] = [await net.add({ relays: [] }), await net.add({ relays: [] })]
  try {
    await b.connect(String(stock.getMultiaddrs()[0]))
    const address = await reserve(b)
    assert.ok(address.includes(stock.peerId.toString()))
    assert.equal(await a.connect(address), b.self)
    assert.equal(pathTo(a, b), 'relayed')
  } finally {
    await stock.stop()
  }
})

function stockPeer(listen: string[], services: Record<string, (parts: never) => unknown> = {}) {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping(), ...services },
  })
}

function pathTo(from: Libp2pHost, to: Libp2pHost): string | undefined {
  return from.connections().find(({ peer }) => peer === to.self)?.path
}
