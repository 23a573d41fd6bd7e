/**
 * What one connection and one peer can make a node keep, and what it says when that is too much:
 * real sockets, and an attacker that breaks the rules of its muxer (`hostile-peer.ts`).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Connection } from '@libp2p/interface'
import { Registry } from '../../src/base/index.ts'
import type { Libp2pHost, Protocol } from '../../src/net/index.ts'
import { coded } from '../support/expect.ts'
import { hostilePeer, muxerOf, type RawStream, stuff } from '../support/hostile-peer.ts'
import { type TestnetOptions, testHost } from '../support/testnet.ts'

const MIB = 1_024 * 1_024
const PATHS = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/0/quic-v1']
const [TCP = '', QUIC = ''] = PATHS

/** Nobody ever reads it. */
const sink: Protocol = {
  id: '/test/sink/1.0.0',
  framing: 'varint',
  frameBytesMax: 16 * MIB,
  inboundMax: 1_024,
  outboundMax: 1_024,
}

async function victimAt(address: string, options: TestnetOptions = {}) {
  const registry = new Registry()
  const host = await testHost({ listen: [address], registry, ...options })
  await host.start()
  await host.handle(sink, ({ closed }) => {
    return new Promise((resolve) => closed.addEventListener('abort', () => resolve()))
  })
  return { host, registry, [Symbol.asyncDispose]: () => host.stop() }
}

const addressOf = (host: Libp2pHost) => host.addresses()[0] ?? ''
const memoryOf = (host: Libp2pHost) => host.resources.report().system.used.memoryBytes

/** All counts of a node, which are zero when everything is closed. */
function counts(host: Libp2pHost) {
  const { system, transient, peers, protocols } = host.resources.report()
  return [system, transient, ...peers, ...protocols].flatMap(({ used }) => Object.values(used))
}

async function until(done: () => boolean, withinMs = 5_000): Promise<void> {
  const end = performance.now() + withinMs
  while (!done()) {
    assert.ok(performance.now() < end, 'in time')
    await wait(20)
  }
}

/** The most that waited, looked at often while `work` goes on. */
async function peak(host: Libp2pHost, work: Promise<unknown>): Promise<number> {
  let most = 0
  const state = { isOver: false }
  const over = () => {
    state.isOver = true
  }
  work.then(over, over)
  while (!state.isOver) {
    most = Math.max(most, memoryOf(host))
    await wait(5)
  }
  await work
  return most
}

/** A frame of 8 MiB that never ends, in each of so many streams. */
async function stuffAll(connection: Connection, streams = 100): Promise<void> {
  const head = Uint8Array.of(0x80, 0x80, 0x80, 0x04)
  const chunk = new Uint8Array(64 * 1_024)
  for (let i = 0; i < streams && connection.status === 'open'; i += 1) {
    const stream = await connection.newStream(sink.id, { maxOutboundStreams: 1_000 }).catch(() => {
      return undefined
    })
    if (stream === undefined) continue
    stream.send(head)
    stuff(stream, chunk, 2 * MIB)
  }
  await wait(300)
}

test('one connection pins 16 MiB at most, however many streams it fills', async (t) => {
  await using victim = await victimAt(TCP)
  await using attacker = await hostilePeer()
  const connection = await attacker.dial(addressOf(victim.host))
  const most = await peak(victim.host, stuffAll(connection))
  t.diagnostic(`${(most / MIB).toFixed(1)} MiB at most`)
  // The connection and its streams cost something by themselves.
  assert.ok(most > 8 * MIB && most <= 16 * MIB + 2 * MIB, `${most}`)
  assert.ok((await victim.registry.total('p2p_resource_refusals', { scope: 'connection' })) > 0)
  connection.abort(new TypeError('over'))
  await until(() => counts(victim.host).every((count) => count === 0))
})

test('one peer pins 64 MiB at most, however many connections it makes', async (t) => {
  await using victim = await victimAt(TCP)
  await using attacker = await hostilePeer()
  const connections: Connection[] = []
  for (let i = 0; i < 8; i += 1) connections.push(await attacker.dial(addressOf(victim.host)))
  assert.equal(new Set(connections).size, 8)
  const most = await peak(victim.host, Promise.all(connections.map((one) => stuffAll(one))))
  t.diagnostic(`${(most / MIB).toFixed(1)} MiB at most`)
  assert.ok(most > 32 * MIB && most <= 64 * MIB, `${most}`)
  for (const connection of connections) connection.abort(new TypeError('over'))
  await until(() => counts(victim.host).every((count) => count === 0))
})

for (const address of PATHS) {
  test(`accounts are back to zero after traffic of ours over ${address}`, async () => {
    await using victim = await victimAt(address)
    await using other = await victimAt(address)
    await other.host.connect(addressOf(victim.host))
    const open = () => other.host.open(victim.host.self, sink)
    const channels = await Promise.all(Array.from({ length: 20 }, open))
    for (const channel of channels) await channel.write(new Uint8Array(40_000))
    await until(() => memoryOf(victim.host) > 20 * 40_000)
    const { peers, protocols } = victim.host.resources.report()
    assert.equal(peers.length, 1)
    assert.equal(protocols.find(({ name }) => name === sink.id)?.used.streamsIn, 20)
    for (const [i, channel] of channels.entries()) {
      if (i % 2 === 0) channel.abort(new TypeError('over'))
      else await channel.close()
    }
    await other.host.disconnect(victim.host.self)
    for (const { host } of [victim, other]) {
      await until(() => counts(host).every((count) => count === 0))
    }
  })
}

test('whoever opens a stream beyond the limits is told why', async () => {
  await using victim = await victimAt(TCP, { config: { connectionMemoryBytes: MIB } })
  await using other = await victimAt(TCP)
  await other.host.connect(addressOf(victim.host))
  const channel = await other.host.open(victim.host.self, sink)
  const failure = await channel.write(new Uint8Array(8 * MIB)).then(
    () => channel.read(),
    (error: unknown) => error,
  )
  assert.ok(failure instanceof Error && /at the limit of what it may use/.test(failure.message))
})

test('the code of libp2p stands in the frame that ends a stream', async () => {
  await using victim = await victimAt(TCP, { config: { connectionMemoryBytes: MIB } })
  await using attacker = await hostilePeer()
  const connection = await attacker.dial(addressOf(victim.host))
  const stream = (await connection.newStream(sink.id)) as RawStream
  const code = new Promise<number>((resolve) => {
    const take = stream.handleWindowUpdate.bind(stream)
    stream.handleWindowUpdate = (frame) => {
      if ((frame.header.flag & 8) === 8) resolve(frame.header.length)
      take(frame)
    }
  })
  stream.send(Uint8Array.of(0x80, 0x80, 0x80, 0x04))
  stuff(stream, new Uint8Array(64 * 1_024), 2 * MIB)
  stream.addEventListener('drain', () => stuff(stream, new Uint8Array(64 * 1_024), 2 * MIB))
  assert.equal(await code, 0x1002)
})

test('a connection for which there is no place is told so, and one of ours gets in', async (t) => {
  const friend = await testHost({ listen: [TCP] })
  t.after(() => friend.stop())
  const deps = { isOwn: (peer: string) => peer === friend.self }
  await using victim = await victimAt(TCP, { config: { connectionsMax: 1 }, deps })
  await using first = await victimAt(TCP)
  await using second = await hostilePeer()
  await first.host.connect(addressOf(victim.host))
  const connection = await second.dial(addressOf(victim.host)).catch(() => undefined)
  if (connection !== undefined) {
    const muxer = muxerOf(connection)
    await until(() => connection.status !== 'open')
    assert.equal(muxer.remoteGoAway, 0x1001)
  }
  assert.equal(victim.host.connections().length, 1)
  await friend.start()
  await friend.connect(addressOf(victim.host))
  await until(() => victim.host.connections().length === 2)
})

test('a frame longer than its window ends the connection before it is kept', async (t) => {
  await using victim = await victimAt(TCP)
  await using attacker = await hostilePeer()
  const connection = await attacker.dial(addressOf(victim.host))
  const muxer = muxerOf(connection)
  const data = new Uint8Array(64 * MIB)
  muxer.sendFrame({ type: 0, flag: 1, streamID: 101, length: data.length }, data)
  const most = await peak(
    victim.host,
    until(() => connection.status !== 'open'),
  )
  t.diagnostic(`${(most / MIB).toFixed(1)} MiB at most`)
  assert.ok(most < 4 * MIB, `${most}`)
  await until(() => counts(victim.host).every((count) => count === 0))
})

test('whoever pings without end and reads nothing is cut off', async () => {
  await using victim = await victimAt(TCP)
  await using attacker = await hostilePeer()
  const connection = await attacker.dial(addressOf(victim.host))
  const muxer = muxerOf(connection)
  const { socket } = (connection as unknown as { maConn: { socket: { pause(): void } } }).maConn
  socket.pause()
  const isOver = () => victim.host.connections().length === 0
  for (let i = 0; i < 4_000 && !isOver(); i += 1) {
    for (let ping = 0; ping < 1_000; ping += 1) {
      muxer.sendFrame({ type: 2, flag: 1, streamID: 0, length: ping })
    }
    await wait(1)
  }
  await until(isOver)
})

test('more streams a second than could be used are refused at once', async () => {
  await using victim = await victimAt(TCP, { config: { streamsPerConnectionMax: 16 } })
  await using attacker = await hostilePeer()
  const connection = await attacker.dial(addressOf(victim.host))
  const muxer = muxerOf(connection)
  for (let id = 1_001; id < 5_001; id += 2) {
    muxer.sendFrame({ type: 1, flag: 1, streamID: id, length: 0 })
    muxer.sendFrame({ type: 1, flag: 8, streamID: id, length: 0 })
  }
  await wait(200)
  assert.equal(victim.host.connections().length, 1)
  assert.ok(memoryOf(victim.host) < MIB)
})

test('above the memory limit new work is refused, idle peers go, and it says so', async () => {
  let usedMb = 100
  await using victim = await victimAt(TCP, {
    config: { memoryMaxMb: 256 },
    deps: { processBytes: () => usedMb * MIB },
  })
  await using other = await victimAt(TCP)
  await using late = await victimAt(TCP)
  await other.host.connect(addressOf(victim.host))
  const ailment = () => victim.host.resources.ailment
  assert.equal(ailment(), null)
  usedMb = 300
  await until(() => ailment() !== null)
  assert.match(ailment() ?? '', /300 MB of 256 MB/)
  await assert.rejects(late.host.connect(addressOf(victim.host)), coded('NET_CONNECT_FAILED'))
  await assert.rejects(async () => {
    const channel = await other.host.open(victim.host.self, sink)
    await channel.read()
  }, /at the limit of what it may use/)
  await until(() => victim.host.connections().length === 0, 15_000)
  usedMb = 200
  await until(() => victim.host.resources.ailment === null)
  await late.host.connect(addressOf(victim.host))
})

test('what waits in a QUIC stream that nobody reads is counted with its window', async () => {
  await using victim = await victimAt(QUIC)
  await using other = await victimAt(QUIC)
  await other.host.connect(addressOf(victim.host))
  const channel = await other.host.open(victim.host.self, sink)
  const frames = Array.from({ length: 12 }, () => new Uint8Array(256 * 1_024))
  const writing = Promise.all(frames.map((frame) => channel.write(frame)))
  writing.catch(() => undefined)
  await until(() => memoryOf(victim.host) > 2 * MIB)
  assert.ok(memoryOf(victim.host) < 4 * MIB)
})
