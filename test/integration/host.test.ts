import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '@libp2p/memory'
import { hasCode, type Logger, Registry, silentLog, systemClock } from '../../src/base/index.ts'
import { type PeerId, peerId } from '../../src/identity/index.ts'
import type { Channel, Libp2pHost, Protocol } from '../../src/net/index.ts'
import { coded } from '../support/expect.ts'
import { testHost, testnet } from '../support/testnet.ts'

const MIB = 1_024 * 1_024
const STRANGER = peerId('12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg')

const echo: Protocol = {
  id: '/test/echo/1.0.0',
  framing: 'varint',
  frameBytesMax: 8 * MIB,
  inboundMax: 128,
  outboundMax: 128,
}

/** Where the two hosts meet; undefined is memory. */
const PATHS: readonly (readonly [string, string | undefined])[] = [
  ['memory', undefined],
  ['TCP over IPv4', '/ip4/127.0.0.1/tcp/0'],
  ['TCP over IPv6', '/ip6/::1/tcp/0'],
  ['QUIC over IPv4', '/ip4/127.0.0.1/udp/0/quic-v1'],
  ['QUIC over IPv6', '/ip6/::1/udp/0/quic-v1'],
]

for (const [name, address] of PATHS) {
  const over = address === undefined ? {} : { listen: [address] }

  test(`${name}: a frame of 8 MiB crosses whole, both ways, in under a second each`, async () => {
    await using net = await testnet(2, over)
    const [a, b] = pair(net.hosts)
    await b.handle(echo, serveEcho)
    const channel = await a.open(b.self, echo)
    const sent = Buffer.alloc(8 * MIB, crypto.getRandomValues(new Uint8Array(65_521)))
    const begun = performance.now()
    await channel.write(sent)
    const back = await channel.read()
    const tookMs = performance.now() - begun
    assert.ok(back !== undefined && sent.equals(back))
    assert.ok(tookMs < 2_000, `took ${tookMs} ms`)
    await channel.close()
    assert.equal(await channel.read(), undefined)
  })

  test(`${name}: a frame over the limit breaks the channel, not the host`, async () => {
    await using net = await testnet(2, over)
    const [a, b] = pair(net.hosts)
    await b.handle({ ...echo, frameBytesMax: 16 }, serveEcho)
    const channel = await a.open(b.self, echo)
    const ask = async () => {
      await channel.write(new Uint8Array(17))
      return channel.read()
    }
    await assert.rejects(ask(), coded('NET_CHANNEL_BROKEN'))
    const again = await a.open(b.self, echo)
    await again.write(new Uint8Array(16))
    assert.equal((await again.read())?.length, 16)
  })

  test(`${name}: a reader that does not read holds the sender back, and loses nothing`, async () => {
    await using net = await testnet(2, over)
    const [a, b] = pair(net.hosts)
    const served = Promise.withResolvers<Channel>()
    await b.handle(echo, async (channel) => {
      served.resolve(channel)
      await gone(channel)
    })
    const channel = await a.open(b.self, echo)
    let written = 0
    const writing = (async () => {
      for (let i = 0; i < 100; i += 1) {
        await channel.write(new Uint8Array(256 * 1_024).fill(i, 0, 1))
        written += 1
      }
      await channel.close()
    })()
    await systemClock.sleep(1_000)
    assert.ok(written < 60, `${written} of 100 frames left though nobody reads`)
    const reader = await served.promise
    for (let i = 0; i < 100; i += 1) assert.equal((await reader.read())?.[0], i)
    assert.equal(await reader.read(), undefined)
    await reader.close()
    await writing
    await gone(channel)
  })

  test(`${name}: 100 channels at once keep their frames apart`, async () => {
    await using net = await testnet(2, over)
    const [a, b] = pair(net.hosts)
    await b.handle(echo, serveEcho)
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const channel = await a.open(b.self, echo)
        for (let round = 0; round < 3; round += 1) {
          await channel.write(Uint8Array.of(i, round))
          assert.deepEqual([...((await channel.read()) ?? [])], [i, round])
        }
        await channel.close()
        return channel.read()
      }),
    )
    assert.ok(answers.every((answer) => answer === undefined))
    assert.equal(a.connections().length, 1)
  })

  test(`${name}: abort() on one side is NET_CHANNEL_BROKEN on the other`, async () => {
    await using net = await testnet(2, over)
    const [a, b] = pair(net.hosts)
    const failures: unknown[] = []
    const begun = Promise.withResolvers<void>()
    await b.handle(echo, async (channel) => {
      await channel.read()
      begun.resolve()
      await channel.read().catch((error: unknown) => failures.push(error))
    })
    const channel = await a.open(b.self, echo)
    await channel.write(Uint8Array.of(1))
    await begun.promise
    channel.abort(new TypeError('enough'))
    await assert.rejects(channel.read(), coded('NET_CHANNEL_BROKEN'))
    await assert.rejects(channel.write(Uint8Array.of(1)), coded('NET_CHANNEL_BROKEN'))
    assert.equal(channel.closed.aborted, true)
    await until(() => failures.length > 0)
    assert.ok(hasCode(failures[0], 'NET_CHANNEL_BROKEN'))
  })

  test(`${name}: a host that stops breaks its channels, and leaves no connection`, async () => {
    await using net = await testnet(2, over)
    const [a, b] = pair(net.hosts)
    await b.handle(echo, serveEcho)
    const channel = await a.open(b.self, echo)
    await channel.write(Uint8Array.of(1))
    await channel.read()
    const reading = channel.read()
    const disconnected = Promise.withResolvers<PeerId>()
    a.events.on('disconnected', ({ peer }) => disconnected.resolve(peer))
    const begun = performance.now()
    await Promise.all([
      b.stop(),
      // A node that closes in good order may say goodbye on its streams first.
      reading.then(
        (frame) => assert.equal(frame, undefined),
        (error: unknown) => {
          assert.ok(hasCode(error, 'NET_CHANNEL_BROKEN'))
        },
      ),
    ])
    assert.ok(performance.now() - begun < 3_000)
    assert.equal(await disconnected.promise, b.self)
    assert.deepEqual(a.connections(), [])
  })
}

test('connect(), ping() and the events say who is there and what they speak', async () => {
  await using net = await testnet(2)
  const [a, b] = pair(net.hosts)
  await b.handle(echo, serveEcho)
  const identified = Promise.withResolvers<readonly string[]>()
  a.events.on('identified', ({ protocols }) => identified.resolve(protocols))
  const connected = Promise.withResolvers<PeerId>()
  b.events.on('connected', ({ peer }) => connected.resolve(peer))
  assert.equal(await a.connect(b.addresses()[0] ?? ''), b.self)
  assert.equal(await connected.promise, a.self)
  assert.ok((await identified.promise).includes(echo.id))
  assert.ok((await a.protocolsOf(b.self)).includes(echo.id))
  assert.ok((await a.ping(b.self)) < 1_000)
  const [info] = a.connections()
  assert.equal(info?.transport, 'memory')
  assert.equal(info.direction, 'outbound')
  await a.disconnect(b.self)
  assert.deepEqual(a.connections(), [])
})

test('connect() says which addresses it tried and why each failed', async () => {
  await using net = await testnet(1, { listen: ['/ip4/127.0.0.1/tcp/0'] })
  const [a] = net.hosts
  assert.ok(a !== undefined)
  await a.learn(STRANGER, ['/ip4/127.0.0.1/tcp/9', '/ip6/::1/tcp/9'], a.self)
  await assert.rejects(a.connect(STRANGER), (error: unknown) => {
    assert.ok(hasCode(error, 'NET_CONNECT_FAILED'))
    const { tried } = error.facts as { tried: { address: string; reason: string }[] }
    assert.deepEqual(
      tried.map(({ address }) => address),
      [`/ip6/::1/tcp/9/p2p/${STRANGER}`, `/ip4/127.0.0.1/tcp/9/p2p/${STRANGER}`],
    )
    assert.ok(tried.every(({ reason }) => reason.includes('ECONNREFUSED')))
    return true
  })
})

test('connect() to somebody of whom nothing is known says so', async () => {
  await using net = await testnet(1)
  const [a] = net.hosts
  assert.ok(a !== undefined)
  await assert.rejects(a.connect(STRANGER), /no address is known for it/)
})

test('open() to a peer that was not there a moment ago fails at once, until it comes', async () => {
  await using net = await testnet(1)
  const [a] = net.hosts
  assert.ok(a !== undefined)
  const late = await testHost({ listen: ['/memory/late'], deps: { transports: [memory()] } })
  await a.learn(late.self, ['/memory/late'], a.self)
  const paused = /a moment ago\. It is tried again in 2 s$/
  await assert.rejects(a.open(late.self, echo), (error: Error) => !paused.test(error.message))
  await assert.rejects(a.open(late.self, echo), paused)
  try {
    await late.start()
    await late.handle(echo, serveEcho)
    await assert.rejects(a.open(late.self, echo), paused)
    await late.connect(a.addresses()[0] ?? '')
    await until(() => a.connections().length > 0)
    await a.disconnect(late.self)
    await tryEcho(a, late)
  } finally {
    await late.stop()
  }
})

test('a caller that gave up before is not served, and harms nobody', async () => {
  await using net = await testnet(2)
  const [a, b] = pair(net.hosts)
  await a.connect(b.self)
  const signal = AbortSignal.abort(new TypeError('never mind'))
  await assert.rejects(a.ping(b.self, { signal }), /never mind/)
  await assert.rejects(a.open(b.self, echo, { signal }), /never mind/)
  await systemClock.sleep(20)
})

test('connect() refuses an address behind which another peer answers', async () => {
  for (const listen of ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/0/quic-v1']) {
    await using net = await testnet(2, { listen: [listen] })
    const [a, b] = pair(net.hosts)
    const wrong = (b.addresses()[0] ?? '').replace(b.self, STRANGER)
    await assert.rejects(a.connect(wrong), coded('NET_CONNECT_FAILED'))
    assert.deepEqual(a.connections(), [])
  }
})

test('a protocol that the other side does not speak is refused, at the first answer or before', async () => {
  await using net = await testnet(2)
  const [a, b] = pair(net.hosts)
  const identified = Promise.withResolvers<void>()
  a.events.on('identified', () => identified.resolve())
  const early = await a.open(b.self, echo)
  await assert.rejects(early.read(), /does not speak it/)
  await identified.promise
  await assert.rejects(a.open(b.self, echo), coded('NET_PROTOCOL_UNSUPPORTED'))
  assert.ok(!(await a.protocolsOf(b.self)).includes(echo.id))
})

test('open() gives out no more channels than the protocol allows', async () => {
  await using net = await testnet(2)
  const [a, b] = pair(net.hosts)
  const narrow = { ...echo, outboundMax: 2 }
  await b.handle(echo, serveEcho)
  await a.open(b.self, narrow)
  await a.open(b.self, narrow)
  await assert.rejects(a.open(b.self, narrow), coded('NET_STREAMS_EXHAUSTED'))
})

test('handle() serves no more channels of one peer than the protocol allows', async () => {
  await using net = await testnet(2)
  const [a, b] = pair(net.hosts)
  await b.handle({ ...echo, inboundMax: 2 }, serveEcho)
  const results = await Promise.allSettled(
    [1, 2, 3].map(async () => {
      const channel = await a.open(b.self, echo)
      await channel.write(Uint8Array.of(1))
      return channel.read()
    }),
  )
  assert.equal(results.filter(({ status }) => status === 'rejected').length, 1)
})

test('handle() asks the policy for each channel, and logs why one was refused', async () => {
  const warned: unknown[] = []
  const log: Logger = { ...silentLog, warn: (_, fields) => warned.push(fields), child: () => log }
  const policy = {
    admit: (_: PeerId, action: string) => {
      if (action === 'stream') throw Object.assign(new TypeError('no'), { code: 'ACCESS_DENIED' })
    },
  }
  await using net = await testnet(2, { policy, log })
  const [a, b] = pair(net.hosts)
  let served = 0
  await b.handle(echo, async () => {
    served += 1
  })
  const channel = await a.open(b.self, echo)
  await assert.rejects(channel.read(), coded('NET_CHANNEL_BROKEN'))
  assert.equal(served, 0)
  assert.equal((warned[0] as { code: string }).code, 'ACCESS_DENIED')
})

test('a peer that the policy bars gets no connection, in either direction', async () => {
  const barred = new Set<string>()
  const policy = {
    admit: (peer: PeerId, action: string) => {
      if (action === 'connect' && barred.has(peer)) throw new TypeError('barred')
    },
  }
  for (const listen of ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/0/quic-v1']) {
    await using net = await testnet(2, { policy, listen: [listen] })
    const [a, b] = pair(net.hosts)
    barred.add(a.self)
    await b.handle(echo, serveEcho)
    await assert.rejects(tryEcho(a, b))
    await assert.rejects(tryEcho(b, a))
    await until(() => b.connections().length === 0)
  }
})

test('learn() believes a peer no further than it is met, and never more than 8 addresses', async () => {
  await using net = await testnet(1)
  const [a] = net.hosts
  assert.ok(a !== undefined)
  const far = peerId('12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')
  await a.learn(
    STRANGER,
    ['/ip4/127.0.0.1/tcp/4001', '/ip4/10.0.0.1/tcp/4001', '/ip4/9.9.9.9/tcp/25', 'nonsense'],
    far,
  )
  assert.deepEqual(await a.addressesOf(STRANGER), [])
  const many = Array.from({ length: 100 }, (_, i) => `/ip4/9.9.9.${i}/tcp/4001`)
  await a.learn(STRANGER, many, far)
  assert.deepEqual(await a.addressesOf(STRANGER), many.slice(0, 8))
})

test('the byte counter counts every byte of TCP and QUIC', async () => {
  for (const listen of ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/0/quic-v1']) {
    const registry = new Registry()
    await using net = await testnet(1, { listen: [listen] })
    const counted = await testHost({ listen: [listen], registry })
    await using _ = { [Symbol.asyncDispose]: () => counted.stop() }
    await counted.start()
    const [b] = net.hosts
    assert.ok(b !== undefined)
    await b.handle(echo, serveEcho)
    await counted.connect(b.addresses()[0] ?? '')
    const channel = await counted.open(b.self, echo)
    await channel.write(new Uint8Array(MIB))
    await channel.read()
    await counted.disconnect(b.self)
    const { body } = await registry.prometheusText()
    for (const direction of ['in', 'out']) {
      const line = new RegExp(`p2p_bandwidth_bytes\\{direction="${direction}"\\} (\\d+)`).exec(body)
      const bytes = Number(line?.[1])
      assert.ok(bytes > MIB && bytes < 2 * MIB, `${listen} ${direction}: ${bytes}`)
    }
    assert.match(body, /p2p_peers_connected 0/)
  }
})

async function serveEcho(channel: Channel): Promise<void> {
  for (let frame = await channel.read(); frame !== undefined; frame = await channel.read()) {
    await channel.write(frame)
  }
}

async function tryEcho(from: Libp2pHost, to: Libp2pHost): Promise<void> {
  const channel = await from.open(to.self, echo)
  await channel.write(Uint8Array.of(1))
  assert.notEqual(await channel.read(), undefined)
}

function pair(hosts: readonly Libp2pHost[]): [Libp2pHost, Libp2pHost] {
  const [a, b] = hosts
  assert.ok(a !== undefined && b !== undefined)
  return [a, b]
}

async function gone({ closed }: Channel): Promise<void> {
  await until(() => closed.aborted)
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !holds(); i += 1) await systemClock.sleep(10)
  assert.ok(holds(), 'it came about within 5 s')
}
