/** The hub's own sockets, with a plain socket in the addon's place: who may send, and how long. */

import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { secureRandom } from '../../src/base/index.ts'
import { UdpHub } from '../../src/net/udp-hub.ts'
import type { HubLimits } from '../../src/net/udp-hub-core.ts'
import { coded } from '../support/expect.ts'
import { FakeClock } from '../support/fake-clock.ts'

const LIMITS: HubLimits = {
  gatesMax: 1_100,
  gatesPerHostMax: 1_100,
  gatesPerSiteMax: 1_100,
  opensPerSecondMax: 1_000_000,
  handshakeMs: 5_000,
  idleMs: 35_000,
}

interface World extends AsyncDisposable {
  readonly clock: FakeClock
  readonly hub: UdpHub
  /** Stands where the addon listens. */
  readonly addon: End
  end(): Promise<End>
}

/** A socket, what came to it, and where it is. */
interface End {
  readonly socket: Socket
  readonly port: number
  readonly got: { bytes: Buffer; port: number }[]
  send(bytes: Uint8Array, port: number): void
}

async function world(limits: Partial<HubLimits> = {}): Promise<World> {
  const clock = new FakeClock()
  const hub = new UdpHub({ clock, random: secureRandom }, { ...LIMITS, ...limits })
  const ends: End[] = []
  const end = async () => {
    const opened = await openEnd()
    ends.push(opened)
    return opened
  }
  const addon = await end()
  await hub.open({ host: '127.0.0.1', port: 0 }, addon.port)
  const close = async () => {
    await hub.close()
    for (const { socket } of ends) socket.close()
  }
  return { clock, hub, addon, end, [Symbol.asyncDispose]: close }
}

async function openEnd(): Promise<End> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const got: End['got'] = []
  socket.on('message', (bytes, { port }) => got.push({ bytes, port }))
  const send = (bytes: Uint8Array, port: number) => socket.send(bytes, port, '127.0.0.1')
  return { socket, port: socket.address().port, got, send }
}

function initial(own = 7): Uint8Array {
  const bytes = new Uint8Array(1_200)
  bytes.set([0xc3, 0, 0, 0, 1, 8, 9, 9, 9, 9, 9, 9, 9, 9, 8, own, 0, 0, 0, 0, 0, 0, 0])
  return bytes
}

/** A packet that a side sends when its connection is up. */
const SHORT = Uint8Array.of(0x41, 1, 2, 3, 4, 5, 6, 7, 8, 9)

async function until(holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 5) {
    assert.ok(waitedMs < 10_000, `waited in vain until ${holds.toString()}`)
    await wait(5)
  }
}

test('a stranger and the addon hear each other, each through the hub', async () => {
  await using net = await world()
  const { hub, addon } = net
  const stranger = await net.end()
  stranger.send(initial(), hub.address.port)
  await until(() => addon.got.length === 1)
  const gate = addon.got[0]?.port ?? 0
  assert.notEqual(gate, stranger.port)
  assert.deepEqual(hub.arrival(gate)?.remote, { host: '127.0.0.1', port: stranger.port })
  addon.send(SHORT, gate)
  await until(() => stranger.got.length === 1)
  assert.equal(stranger.got[0]?.port, hub.address.port)
  assert.deepEqual(Uint8Array.from(stranger.got[0].bytes), SHORT)
})

test('a gate takes nothing but what the addon sends', async () => {
  await using net = await world()
  const { hub, addon } = net
  const [stranger, intruder] = [await net.end(), await net.end()]
  stranger.send(initial(), hub.address.port)
  await until(() => addon.got.length === 1)
  const gate = addon.got[0]?.port ?? 0
  intruder.send(initial(), gate)
  await until(() => hub.stats().dropped.spoofed === 1)
  assert.deepEqual(stranger.got, [])
})

test('a dial holds its gate to the port of its first packet, and all gates once it is confirmed', async () => {
  await using net = await world()
  const { hub } = net
  const [remote, dialler, intruder] = [await net.end(), await net.end(), await net.end()]
  const path = await hub.dial({ host: '127.0.0.1', port: remote.port })
  assert.ok(path !== undefined)
  intruder.send(SHORT, path.port)
  await until(() => hub.stats().dropped.spoofed === 1)
  dialler.send(initial(), path.port)
  await until(() => remote.got.length === 1)
  assert.equal(remote.got[0]?.port, hub.address.port)
  path.confirm()
  const second = await hub.dial({ host: '127.0.0.1', port: intruder.port })
  intruder.send(initial(), second?.port ?? 0)
  await until(() => hub.stats().dropped.spoofed === 2)
  remote.send(SHORT, hub.address.port)
  await until(() => dialler.got.length === 1)
})

test('gates that nobody uses are closed, and a dial may open them again', async () => {
  await using net = await world()
  const { hub, clock, addon } = net
  const [stranger, remote] = [await net.end(), await net.end()]
  stranger.send(initial(), hub.address.port)
  await until(() => addon.got.length === 1)
  const path = await hub.dial({ host: '127.0.0.1', port: remote.port })
  await clock.advance(7_000)
  assert.equal(hub.stats().gates, 1, 'the dial holds its own')
  path?.release()
  await clock.advance(7_000)
  assert.equal(hub.stats().gates, 0)
  assert.equal(hub.arrival(addon.got[0]?.port ?? 0), undefined)
  const again = await hub.dial({ host: '127.0.0.1', port: remote.port })
  assert.ok(again !== undefined)
  assert.notEqual(again.port, 0)
})

test('packets of other protocols come by the same port and leave by it', async () => {
  await using net = await world()
  const { hub } = net
  const other = await net.end()
  const got: number[][] = []
  hub.onOther((bytes, from) => {
    got.push([...bytes])
    hub.send(Uint8Array.of(5, ...bytes), from)
  })
  other.send(Uint8Array.of(4, 1, 2), hub.address.port)
  await until(() => other.got.length === 1)
  assert.deepEqual(got, [[4, 1, 2]])
  assert.equal(other.got[0]?.port, hub.address.port)
  assert.deepEqual([...other.got[0].bytes], [5, 4, 1, 2])
})

test('1,000 gates cost less than 32 MiB, and closing the hub closes them all', async () => {
  const net = await world()
  const { hub } = net
  const before = process.memoryUsage().rss
  const paths = []
  for (let port = 1; port <= 1_000; port += 1) {
    paths.push(await hub.dial({ host: '127.0.0.9', port }))
  }
  assert.ok(paths.every((path) => path !== undefined))
  assert.equal(hub.stats().gates, 1_000)
  const grownBytes = process.memoryUsage().rss - before
  assert.ok(grownBytes < 32 * 1_024 * 1_024, `${grownBytes} bytes`)
  await net[Symbol.asyncDispose]()
  assert.equal(hub.stats().gates, 0)
  await until(() => !process.getActiveResourcesInfo().some((name) => /UDP/i.test(name)))
})

test('a closed hub sends nothing and says so', async () => {
  const net = await world()
  await net[Symbol.asyncDispose]()
  assert.throws(() => net.hub.send(SHORT, { host: '127.0.0.1', port: 9 }), coded('NET_UDP_UNSENT'))
  assert.equal(await net.hub.dial({ host: '127.0.0.1', port: 9 }), undefined)
})
