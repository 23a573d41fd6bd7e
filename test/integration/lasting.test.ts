/**
 * Lasting channels over real connections that are cut again and again: what was confirmed arrived
 * once and in order, and what could not be confirmed is told.
 */

import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { secureRandom, silentLog, systemClock } from '../../src/base/index.ts'
import {
  channelConfig,
  type LastingChannel,
  LastingChannels,
  type Libp2pHost,
} from '../../src/net/index.ts'
import { coded } from '../support/expect.ts'
import { testHost, testnet } from '../support/testnet.ts'

const FRAMES = 10_000
/** So far apart that something arrives between two cuts, however slow the machine. */
const CUT_EVERY = 1_300

/** Lasting channels over two hosts that know each other. */
async function pair(listen: readonly string[], knobs: Record<string, number> = {}) {
  const net = await testnet(2, { listen })
  const [a, b] = net.hosts
  assert.ok(a !== undefined && b !== undefined)
  const [atA, atB] = [channelsOf(a, knobs), channelsOf(b, knobs)]
  await atA.start()
  await atB.start()
  const stop = async () => {
    await Promise.all([atA.stop(), atB.stop()])
    await net[Symbol.asyncDispose]()
  }
  return { a, b, atA, atB, [Symbol.asyncDispose]: stop }
}

function channelsOf(host: Libp2pHost, knobs: Record<string, number>): LastingChannels {
  const connect = (peer: typeof host.self, options: { signal?: AbortSignal }) => {
    return host.connect(peer, options)
  }
  const [clock, random, log] = [systemClock, secureRandom, silentLog]
  return new LastingChannels(
    { host, find: connect, connect, network: 'test', clock, random, log },
    channelConfig.parse({ ...knobs }),
  )
}

const numbered = (n: number) => {
  const frame = new Uint8Array(32)
  new DataView(frame.buffer).setUint32(0, n)
  return frame
}
const numberOf = (frame: Uint8Array) => new DataView(frame.buffer, frame.byteOffset).getUint32(0)

/** Whatever comes, in order, until the other side closes; `cut` is called now and then. */
async function readAll(channel: LastingChannel, cut = () => undefined as unknown) {
  const got: number[] = []
  for await (const frame of channel) {
    got.push(numberOf(frame))
    if (got.length % CUT_EVERY === 0) cut()
  }
  return got
}

async function writeAll(channel: LastingChannel): Promise<void> {
  for (let n = 1; n <= FRAMES; n += 1) await channel.write(numbered(n))
}

const expected = Array.from({ length: FRAMES }, (_, i) => i + 1)

suite('frames both ways while connections are cut', { concurrency: 1 }, () => {
  for (const listen of ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/0/quic-v1']) {
    test(`${FRAMES} each over ${listen}`, { timeout: 120_000 }, async () => {
      await using net = await pair([listen])
      const { a, b, atA, atB } = net
      const served = Promise.withResolvers<number[]>()
      atB.serve('count/1', async (channel) => {
        const got = readAll(channel)
        await writeAll(channel)
        await channel.close()
        served.resolve(await got)
      })
      await using channel = await atA.open(b.self, 'count/1')
      let cuts = 0
      const got = readAll(channel, () => {
        cuts += 1
        return cuts % 2 === 0 ? a.disconnect(b.self) : b.disconnect(a.self)
      })
      await writeAll(channel)
      await channel.confirmed()
      assert.equal(channel.unconfirmed, 0)
      await channel.close()
      assert.deepEqual(await got, expected)
      assert.deepEqual(await served.promise, expected)
      assert.equal(cuts, Math.floor(FRAMES / CUT_EVERY))
      assert.deepEqual([atA.size, atB.size], [0, 0])
    })
  }
})

/** A TCP port that leads to another one, until all that goes through it is torn down at once. */
async function passage(port: number) {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => sockets.delete(one) && other.destroy())
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const tear = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return { port: address.port, tear, close: () => server.close() }
}

test(`${FRAMES} frames one way, and each back, through sockets that are reset`, async () => {
  const a = await testHost({ listen: [] })
  const b = await testHost({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  const [atA, atB] = [channelsOf(a, {}), channelsOf(b, {})]
  for (const one of [a, b, atA, atB]) await one.start()
  const way = await passage(Number(b.addresses()[0]?.split('/')[4]))
  await a.learn(b.self, [`/ip4/127.0.0.1/tcp/${way.port}`], a.self)
  atB.serve('echo/1', async (channel) => {
    for await (const frame of channel) await channel.write(frame)
  })
  const channel = await atA.open(b.self, 'echo/1')
  let cuts = 0
  const got = readAll(channel, () => {
    cuts += 1
    way.tear()
  })
  await writeAll(channel)
  await channel.close()
  assert.deepEqual(await got, expected)
  assert.equal(cuts, Math.floor(FRAMES / CUT_EVERY))
  for (const one of [atA, atB, a, b]) await one.stop()
  way.close()
})

test('a channel whose peer is gone for good says how many frames were not confirmed', async () => {
  await using net = await pair(['/ip4/127.0.0.1/tcp/0'], { resumeTimeoutMs: 1_000 })
  net.atB.serve('mute/1', async (channel) => {
    await channel.read()
    await new Promise((resolve) => channel.closed.addEventListener('abort', resolve))
  })
  const channel = await net.atA.open(net.b.self, 'mute/1')
  for (let n = 1; n <= 3; n += 1) await channel.write(numbered(n))
  while (channel.unconfirmed > 2) await new Promise((resolve) => setTimeout(resolve, 10))
  await net.b.stop()
  await assert.rejects(channel.confirmed(), (error) => {
    assert.ok(coded('NET_CHANNEL_LOST')(error))
    assert.match(String(error), /2 frames are not confirmed/)
    return true
  })
  await assert.rejects(channel.read(), coded('NET_CHANNEL_LOST'))
  assert.equal(channel.state, 'over')
})

test('what nobody serves is refused, and so is a peer that does not know channels', async () => {
  await using net = await pair(['/ip4/127.0.0.1/tcp/0'])
  await assert.rejects(net.atA.open(net.b.self, 'none/1'), coded('NET_CHANNEL_REFUSED'))
  assert.deepEqual([net.atA.size, net.atB.size], [0, 0])
})
