import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { silentLog } from '../base/index.ts'
import { libp2pLogger } from './libp2p-log.ts'
import type { NativeConnection, NativeServer } from './quic-addon.ts'
import { QuicListener } from './quic-listener.ts'

const PEER = '12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg'

interface Asking {
  readonly give: (connection: NativeConnection) => void
  readonly fail: (error: Error) => void
}

/** A listener over a socket that takes newcomers when the test says so. */
function setup({ handshakesMax = 1_000, refuses = false } = {}) {
  const clock = new FakeClock()
  const askings: Asking[] = []
  let accepted = 0
  let aborted = 0
  const upgraded: string[] = []
  const server: NativeServer = {
    port: () => 4_242,
    inboundConnection() {
      const answer = Promise.withResolvers<NativeConnection>()
      askings.push({ give: answer.resolve, fail: answer.reject })
      return answer.promise
    },
    stats: () => ({ acceptedHandshakes: accepted }),
    async abort() {
      for (const { fail } of askings.splice(0)) fail(new TypeError('server closed'))
    },
  }
  const listener = new QuicListener(
    {
      bind: async () => ({ server, port: server.port(), close: () => server.abort() }),
      upgrader: {
        async upgradeInbound(connection: { remoteAddr: { toString(): string } }) {
          upgraded.push(connection.remoteAddr.toString())
          if (refuses) throw new TypeError('not you')
        },
      },
      logger: libp2pLogger(silentLog),
      clock,
    },
    { handshakesMax, streamsMax: 8, handshakeTimeoutMs: 3_000 },
  )
  const connection: NativeConnection = {
    inboundStream: () => new Promise(() => undefined),
    outboundStream: () => Promise.reject(new TypeError('no')),
    abort: () => (aborted += 1),
    remoteMultiaddr: () => `/ip4/192.0.2.1/udp/9/quic-v1/p2p/${PEER}`,
    stats: () => ({ udpRxBytes: 0, udpTxBytes: 0 }),
  }
  const listen = () => listener.listen(multiaddr('/ip4/127.0.0.1/udp/0/quic-v1'))
  const comes = (count: number) => (accepted += count)
  return { clock, listener, askings, upgraded, connection, listen, comes, aborts: () => aborted }
}

test('many newcomers are taken at once, and each answer is followed by another asking', async () => {
  const { askings, upgraded, connection, listen, listener, comes } = setup()
  await listen()
  assert.equal(askings.length, 64)
  comes(64)
  for (const { give } of askings.splice(0)) give(connection)
  await setImmediate()
  assert.equal(upgraded.length, 64)
  assert.equal(askings.length, 128)
  await listener.close()
})

test('handshakes that do not end are made up for, up to the bound', async () => {
  const { clock, askings, listen, listener, comes } = setup({ handshakesMax: 100 })
  await listen()
  comes(20)
  await clock.advance(1_000)
  assert.equal(askings.length, 84)
  comes(1_000)
  await clock.advance(1_000)
  assert.equal(askings.length, 100)
  await listener.close()
})

test('a handshake that fails is asked for again, a second later at most', async () => {
  const { clock, askings, listen, listener } = setup()
  await listen()
  askings[0]?.fail(new TypeError('timed out'))
  await clock.advance(1_000)
  assert.equal(askings.length, 65)
  await listener.close()
})

test('a newcomer that the gater refuses is cut off', async () => {
  const { askings, upgraded, connection, listen, listener, aborts } = setup({ refuses: true })
  await listen()
  askings[0]?.give(connection)
  await setImmediate()
  assert.equal(upgraded.length, 1)
  assert.ok(aborts() > 0)
  await listener.close()
})

test('close() cuts connections, frees the socket and asks no more', async () => {
  const { clock, askings, connection, listen, listener, aborts } = setup()
  const events: string[] = []
  for (const name of ['listening', 'close'] as const) {
    listener.addEventListener(name, () => events.push(name))
  }
  await listen()
  askings[0]?.give(connection)
  await setImmediate()
  await listener.close()
  await clock.advance(2_000)
  assert.equal(aborts(), 1)
  assert.deepEqual(askings, [])
  assert.deepEqual(listener.getAddrs(), [])
  assert.deepEqual(events, ['listening', 'close'])
  assert.equal(clock.waiting, 0)
})

test('port 0 is told as the port that was taken', async () => {
  const { listen, listener } = setup()
  await listen()
  assert.deepEqual(listener.getAddrs().map(String), ['/ip4/127.0.0.1/udp/4242/quic-v1'])
  await listener.close()
})
