/** QUIC behind one public port: real sockets on loopback, the real addon, whole hosts. */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Policy } from '../../src/access/index.ts'
import { secureRandom } from '../../src/base/index.ts'
import type { Channel, Libp2pHost, NetConfig, Protocol } from '../../src/net/index.ts'
import { loadQuic } from '../../src/net/quic.ts'
import type { QuicHub } from '../../src/net/quic-hub.ts'
import { coded } from '../support/expect.ts'
import { openPolicy, testHost } from '../support/testnet.ts'

const LOOP4 = '/ip4/127.0.0.1/udp/0/quic-v1'
const LOOP6 = '/ip6/::1/udp/0/quic-v1'

interface HubHost extends AsyncDisposable {
  readonly host: Libp2pHost
  readonly hub: QuicHub
}

interface HubOptions {
  readonly hub?: NetConfig['hub']
  readonly listen?: readonly string[]
  readonly config?: Partial<NetConfig>
  readonly policy?: Policy
}

async function hubHost(options: HubOptions = {}): Promise<HubHost> {
  const { hub = 'always', listen = [LOOP4], config = {}, policy = openPolicy } = options
  let kept: QuicHub | undefined
  const keeping: typeof loadQuic = async (...args) => {
    const quic = await loadQuic(...args)
    kept = quic.hub
    return quic
  }
  const deps = { loadQuic: keeping }
  const host = await testHost({ listen, config: { ...config, hub }, deps, policy })
  await host.start()
  assert.ok(kept !== undefined)
  return { host, hub: kept, [Symbol.asyncDispose]: () => host.stop() }
}

/** `/ip4/…/udp/…/quic-v1` of a host that listens once. */
function addressOf({ host }: HubHost): string {
  return (host.addresses()[0] ?? '').replace(/\/p2p\/.*/, '')
}

function portOf(one: HubHost): number {
  return Number(/\/udp\/(\d+)\//.exec(addressOf(one))?.[1])
}

async function connect(from: HubHost, to: HubHost): Promise<void> {
  await from.host.connect(to.host.addresses()[0] ?? '')
}

/** What the other side has to notice first. */
async function until(holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 5) {
    assert.ok(waitedMs < 10_000, `waited in vain until ${holds.toString()}`)
    await wait(5)
  }
}

function directions({ host }: HubHost): string[] {
  return host.connections().map(({ direction, address }) => `${direction} ${address}`)
}

const echo: Protocol = {
  id: '/test/echo/1.0.0',
  framing: 'varint',
  frameBytesMax: 4 * 1_024 * 1_024,
  inboundMax: 8,
  outboundMax: 8,
}

async function serveEcho(channel: Channel): Promise<void> {
  for (;;) {
    const frame = await channel.read()
    if (frame === undefined) return channel.close()
    await channel.write(frame)
  }
}

async function echoes(from: HubHost, to: HubHost): Promise<void> {
  const channel = await from.host.open(to.host.self, echo)
  const sent = secureRandom.bytes(2 * 1_024 * 1_024)
  await channel.write(sent)
  assert.ok(Buffer.from(sent).equals((await channel.read()) ?? new Uint8Array()))
  await channel.close()
}

test('a dial leaves from the port that its node listens on, over IPv4 and IPv6', async () => {
  for (const listen of [LOOP4, LOOP6]) {
    await using a = await hubHost({ listen: [listen] })
    await using b = await hubHost({ listen: [listen] })
    await connect(b, a)
    await until(() => a.host.connections().length === 1)
    assert.deepEqual(directions(b), [`outbound ${addressOf(a)}`])
    assert.deepEqual(directions(a), [`inbound ${addressOf(b)}`])
    assert.ok((await a.host.ping(b.host.self)) >= 0)
  }
})

test('two nodes that dial each other at once have both connections, and data crosses', async () => {
  await using a = await hubHost()
  await using b = await hubHost()
  for (const { host } of [a, b]) await host.handle(echo, serveEcho)
  await Promise.all([connect(a, b), connect(b, a)])
  await until(() => a.host.connections().length === 2 && b.host.connections().length === 2)
  const both = (other: HubHost) => [`inbound ${addressOf(other)}`, `outbound ${addressOf(other)}`]
  assert.deepEqual(directions(a).sort(), both(b))
  assert.deepEqual(directions(b).sort(), both(a))
  await Promise.all([echoes(a, b), echoes(b, a), echoes(a, b), echoes(b, a)])
  assert.deepEqual([a.hub.stats().gates, b.hub.stats().gates], [2, 2])
})

test('a node without the hub and one with it understand each other', async () => {
  await using plain = await hubHost({ hub: 'never' })
  await using hubbed = await hubHost()
  await plain.host.handle(echo, serveEcho)
  await hubbed.host.handle(echo, serveEcho)
  await connect(plain, hubbed)
  await echoes(plain, hubbed)
  await plain.host.disconnect(hubbed.host.self)
  await until(() => hubbed.host.connections().length === 0)
  await connect(hubbed, plain)
  await echoes(hubbed, plain)
})

test('activate() keeps the port and what we dialled; what others dialled is dialled anew', async () => {
  await using node = await hubHost({ hub: 'auto' })
  await using dialled = await hubHost({ hub: 'never' })
  await using dialler = await hubHost({ hub: 'never' })
  assert.equal(node.hub.facility.state, 'off')
  await connect(node, dialled)
  await connect(dialler, node)
  await until(() => node.host.connections().length === 2)
  const before = addressOf(node)
  await Promise.all([node.hub.activate(), node.hub.activate()])
  assert.deepEqual(node.hub.facility, { state: 'active' })
  assert.equal(addressOf(node), before)
  await until(() => dialler.host.connections().length === 0)
  assert.deepEqual(directions(node), [`outbound ${addressOf(dialled)}`])
  assert.ok((await node.host.ping(dialled.host.self)) >= 0)
  await connect(dialler, node)
  await node.host.disconnect(dialled.host.self)
  await until(() => dialled.host.connections().length === 0)
  await connect(node, dialled)
  await until(() => dialled.host.connections().length === 1)
  assert.deepEqual(directions(dialled), [`inbound ${before}`])
})

test('activate() and punch() say why not, where the configuration forbids it', async () => {
  await using node = await hubHost({ hub: 'never' })
  await assert.rejects(node.hub.activate(), coded('NET_HUB_UNAVAILABLE'))
  const { signal } = new AbortController()
  const punched = node.hub.punch({ host: '127.0.0.1', port: 9 }, { signal })
  await assert.rejects(punched, coded('NET_HUB_UNAVAILABLE'))
  assert.match(node.hub.facility.remedy ?? '', /auto/)
})

test('connections are counted by the address they come from, not by that of a gate', async () => {
  const config = { connectionsPerHostMax: 1 }
  await using node = await hubHost({ config })
  const at = (ip: string) => hubHost({ listen: [`/ip4/${ip}/udp/0/quic-v1`] })
  await using first = await at('127.0.0.2')
  await using second = await at('127.0.0.2')
  await using other = await at('127.0.0.3')
  await connect(first, node)
  await until(() => node.host.connections().length === 1)
  await connect(second, node).catch(() => undefined)
  await connect(other, node)
  await until(() => node.host.connections().length === 2)
  await until(() => second.host.connections().length === 0)
  assert.deepEqual(
    directions(node).sort(),
    [`inbound ${addressOf(first)}`, `inbound ${addressOf(other)}`].sort(),
  )
})

test('punch() sends what nobody takes for QUIC, from the port that we listen on', async () => {
  await using node = await hubHost()
  const remote = await listening()
  const got: { bytes: Uint8Array; port: number }[] = []
  remote.on('message', (bytes, { port }) => got.push({ bytes, port }))
  const stop = new AbortController()
  const { port } = remote.address()
  const punched = node.hub.punch({ host: '127.0.0.1', port }, { signal: stop.signal })
  await until(() => got.length >= 3)
  stop.abort(new TypeError('enough'))
  await assert.rejects(punched, /enough/)
  for (const { bytes, port: from } of got) {
    assert.equal(from, portOf(node))
    assert.ok(bytes.length >= 32 && bytes.length < 64)
    assert.equal((bytes[0] ?? 0) & 0xc0, 0x40)
  }
  remote.close()
})

test('who comes past the hub, straight to the addon, is cut off', async () => {
  await using node = await hubHost()
  await using other = await hubHost({ hub: 'never' })
  const inner = node.hub.hubs[0]?.listenerPort ?? 0
  const past = `/ip4/127.0.0.1/udp/${inner}/quic-v1/p2p/${node.host.self}`
  await other.host.connect(past).catch(() => undefined)
  await until(() => other.host.connections().length === 0)
  assert.deepEqual(node.host.connections(), [])
})

test('stop() leaves no socket behind', async () => {
  const sockets = () => process.getActiveResourcesInfo().filter((name) => /UDP/.test(name)).length
  await until(() => sockets() === 0)
  const a = await hubHost()
  const b = await hubHost()
  await connect(a, b)
  assert.ok(sockets() >= 4)
  await Promise.all([a.host.stop(), b.host.stop()])
  await until(() => sockets() === 0)
})

async function listening() {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}
