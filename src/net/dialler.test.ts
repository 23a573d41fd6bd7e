import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { hasCode, Registry } from '../base/index.ts'
import { peerId } from '../identity/index.ts'
import { netConfig } from './config.ts'
import { Dialler } from './dialler.ts'
import { netMetrics } from './metrics.ts'

const PEER = peerId('12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg')
const CONNECTION = { status: 'open' } as Connection

type Answer = (signal: AbortSignal) => Promise<Connection>
const works: Answer = async () => CONNECTION
const refuses: Answer = () => Promise.reject(new TypeError('connect ECONNREFUSED'))
const hangs: Answer = (signal) =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new TypeError('The operation was aborted')))
  })

/** A dialler that knows `PEER` at the addresses of the table. */
function setup(table: Record<string, Answer>, config: Record<string, unknown> = {}) {
  const clock = new FakeClock()
  const dialled: string[] = []
  const dialler = new Dialler(
    {
      libp2p: {
        dial: async (target, options) => {
          const text = String(target).replace(/\/p2p\/.*/, '')
          dialled.push(text)
          return (table[text] ?? refuses)(options.signal)
        },
      },
      names: { texts: async () => [], addresses: async () => [] },
      clock,
      metrics: netMetrics(new Registry()),
      addresses: { of: async () => Object.keys(table), connectionsOf: () => [] },
    },
    netConfig.parse({ addressTimeoutMs: 1_000, connectionTimeoutMs: 2_500, ...config }),
  )
  return { dialler, clock, dialled }
}

const manyAddresses = (count: number) =>
  Array.from({ length: count }, (_, i) => `/ip4/9.9.9.9/tcp/${i + 1}`)

const reasons = (error: unknown): string[] => {
  assert.ok(hasCode(error, 'NET_CONNECT_FAILED'))
  return (error.facts as { tried: { reason: string }[] }).tried.map(({ reason }) => reason)
}

test('connect() tries IPv6 before IPv4 and QUIC before TCP, until one works', async () => {
  const { dialler, dialled } = setup({
    '/ip4/9.9.9.9/tcp/1': works,
    '/ip6/2620:fe::fe/tcp/1': refuses,
    '/ip6/2620:fe::fe/udp/1/quic-v1': refuses,
    '/ip4/9.9.9.9/udp/1/quic-v1': works,
  })
  assert.equal(await dialler.connect(PEER), CONNECTION)
  assert.deepEqual(dialled, [
    '/ip6/2620:fe::fe/udp/1/quic-v1',
    '/ip6/2620:fe::fe/tcp/1',
    '/ip4/9.9.9.9/udp/1/quic-v1',
  ])
})

test('connect() gives each address its own deadline and says so', async () => {
  const { dialler, clock } = setup({ '/ip4/9.9.9.9/tcp/1': hangs, '/ip4/9.9.9.9/tcp/2': refuses })
  const failed = dialler.connect(PEER).catch(reasons)
  await clock.advance(1_000)
  assert.deepEqual(await failed, ['no answer within 1000 ms', 'connect ECONNREFUSED'])
  assert.equal(clock.waiting, 0)
})

test('connect() does not wait for a dead address to go on to the next', async () => {
  const { dialler, clock, dialled } = setup({
    '/ip6/2620:fe::fe/udp/1/quic-v1': hangs,
    '/ip4/9.9.9.9/tcp/1': works,
  })
  const connected = dialler.connect(PEER)
  await clock.advance(249)
  assert.equal(dialled.length, 1)
  await clock.advance(1)
  assert.equal(await connected, CONNECTION)
  assert.equal(clock.waiting, 0)
})

test('connect() ends when the time for all addresses is over', async () => {
  const table = Object.fromEntries(manyAddresses(14).map((text) => [text, hangs]))
  const { dialler, clock, dialled } = setup(table)
  const failed = dialler.connect(PEER).catch(reasons)
  await clock.advance(2_500)
  const found = await failed
  assert.ok(Array.isArray(found))
  assert.match(String(found[0]), /no answer within 1000 ms/)
  assert.match(String(found[9]), /within the 2500 ms/)
  assert.match(String(found[13]), /within the 2500 ms/)
  assert.equal(dialled.length, 10)
})

test('callers who want the same peer share one dial, each with its own signal', async () => {
  const { dialler, clock, dialled } = setup({ '/ip4/9.9.9.9/tcp/1': hangs })
  const impatient = new AbortController()
  const first = dialler.connect(PEER, { signal: impatient.signal })
  const second = dialler.connect(PEER).catch(reasons)
  await clock.advance(1)
  impatient.abort(new TypeError('given up'))
  await assert.rejects(first, /given up/)
  await clock.advance(2_500)
  assert.equal(((await second) as string[]).length, 1)
  assert.equal(dialled.length, 1)
})

test('more dials than may wait are refused as busy', async () => {
  const { dialler } = setup({}, { dialsMax: 1, dialsWaitingMax: 1 })
  const targets = [1, 2, 3].map((i) => dialler.connect(`/ip4/9.9.9.9/tcp/${i}`))
  const results = await Promise.allSettled(targets)
  const [, , third] = results
  assert.ok(third?.status === 'rejected' && hasCode(third.reason, 'BASE_BUSY'))
})

test('stop() gives up what is under way', async () => {
  const { dialler, clock } = setup({ '/ip4/9.9.9.9/tcp/1': hangs })
  const dial = dialler.connect(PEER)
  const check = assert.rejects(dial, coded('NET_CONNECT_FAILED'))
  await clock.advance(1)
  dialler.stop()
  await check
  assert.equal(clock.waiting, 0)
})

test('connect() refuses what is no peer id and no multiaddr', async () => {
  const { dialler } = setup({})
  await assert.rejects(dialler.connect('nobody'), coded('IDENTITY_PEER_ID_INVALID'))
  await assert.rejects(dialler.connect('/ip4/1.2.3.4'), coded('NET_ADDRESS_INVALID'))
})

test('reach() fails at once after a dial that failed, and says so; connect() always tries', async () => {
  const { dialler, clock, dialled } = setup({ '/ip4/9.9.9.9/tcp/1': hangs })
  const first = assert.rejects(dialler.reach(PEER), coded('NET_CONNECT_FAILED'))
  await clock.advance(1_000)
  await first
  const again = await dialler.reach(PEER).catch((error: unknown) => error)
  assert.ok(hasCode(again, 'NET_CONNECT_FAILED'))
  assert.match(again.message, /no answer within 1000 ms\), a moment ago. It is tried again in 2 s$/)
  assert.equal((again.facts as { retryInMs: number }).retryInMs, 2_000)
  assert.equal(dialled.length, 1)

  const asked = assert.rejects(dialler.connect(PEER), coded('NET_CONNECT_FAILED'))
  await clock.advance(1_000)
  await asked
  assert.equal(dialled.length, 2)
})

test('the pause doubles with each failure up to a minute, and is over when it is over', async () => {
  const { dialler, clock, dialled } = setup({ '/ip4/9.9.9.9/tcp/1': refuses })
  for (const seconds of [2, 4, 8, 16, 32, 60, 60]) {
    const before = dialled.length
    await assert.rejects(dialler.reach(PEER), coded('NET_CONNECT_FAILED'))
    assert.equal(dialled.length, before + 1)
    await clock.advance(seconds * 1_000 - 1)
    await assert.rejects(dialler.reach(PEER), /tried again in 1 s/)
    assert.equal(dialled.length, before + 1)
    await clock.advance(1)
  }
})

test('a peer that was connected meanwhile is reached without a pause, and failed for the first time', async () => {
  const { dialler, clock, dialled } = setup({ '/ip4/9.9.9.9/tcp/1': refuses })
  for (const seconds of [2, 4]) {
    await assert.rejects(dialler.reach(PEER), coded('NET_CONNECT_FAILED'))
    await clock.advance(seconds * 1_000)
  }
  await assert.rejects(dialler.reach(PEER), coded('NET_CONNECT_FAILED'))
  dialler.connected(PEER)
  await assert.rejects(dialler.reach(PEER), coded('NET_CONNECT_FAILED'))
  assert.equal(dialled.length, 4)
  await clock.advance(2_000)
  await assert.rejects(dialler.reach(PEER), coded('NET_CONNECT_FAILED'))
  assert.equal(dialled.length, 5)
})

test('an address not tried ends the pause and is tried first, but no address twice', async () => {
  const table: Record<string, Answer> = { '/ip6/2620:fe::fe/tcp/1': refuses }
  const { dialler, dialled } = setup(table)
  await assert.rejects(dialler.reach(PEER), coded('NET_CONNECT_FAILED'))
  table['/ip4/9.9.9.9/tcp/1'] = refuses
  await assert.rejects(dialler.reach(PEER), /9\.9\.9\.9.*2620:fe::fe.*ECONNREFUSED\)$/)
  delete table['/ip6/2620:fe::fe/tcp/1']
  await assert.rejects(dialler.reach(PEER), /a moment ago/)
  table['/ip6/2620:fe::fe/tcp/1'] = refuses
  await assert.rejects(dialler.reach(PEER), /a moment ago/)
  assert.equal(dialled.length, 3)
  table['/ip4/9.9.9.9/tcp/2'] = works
  assert.equal(await dialler.reach(PEER), CONNECTION)
  assert.equal(dialled.at(-1), '/ip4/9.9.9.9/tcp/2')
})

test('addresses that there was no time for are tried before there is a pause', async () => {
  const addresses = manyAddresses(14)
  const { dialler, clock, dialled } = setup(
    Object.fromEntries(addresses.map((text) => [text, hangs])),
  )
  for (const count of [10, 20]) {
    const failed = assert.rejects(dialler.reach(PEER), coded('NET_CONNECT_FAILED'))
    await clock.advance(2_500)
    await failed
    assert.equal(dialled.length, count)
  }
  assert.deepEqual(dialled.slice(0, 14), addresses)
  await assert.rejects(dialler.reach(PEER), /a moment ago/)
})

test('failures that are not of the peer are no reason for a pause', async () => {
  const { dialler, dialled } = setup({}, { dialsMax: 1, dialsWaitingMax: 1 })
  await assert.rejects(dialler.reach(PEER), /no address is known for it$/)
  await assert.rejects(dialler.reach(PEER), /no address is known for it$/)

  const busy = setup({ '/ip4/9.9.9.9/tcp/1': works }, { dialsMax: 1, dialsWaitingMax: 1 })
  const others = [1, 2].map((i) => busy.dialler.connect(`/ip4/8.8.8.8/tcp/${i}`).catch(reasons))
  await assert.rejects(busy.dialler.reach(PEER), coded('BASE_BUSY'))
  await Promise.all(others)
  assert.equal(await busy.dialler.reach(PEER), CONNECTION)
  assert.deepEqual(dialled, [])
})

test('connect() says that an address is of the version of IP that is not spoken', async () => {
  const table = { '/ip4/9.9.9.9/tcp/1': works, '/ip6/2620:fe::fe/tcp/1': refuses }
  for (const [family, said] of [
    ['ip6', 'this node speaks IPv6 only (network.family)'],
    ['ip4', 'this node speaks IPv4 only (network.family)'],
  ] as const) {
    const { dialler, dialled } = setup({ ...table, '/ip4/9.9.9.9/tcp/1': refuses }, { family })
    await assert.rejects(dialler.connect(PEER), (error) => {
      assert.deepEqual(reasons(error), [said, 'connect ECONNREFUSED'])
      return true
    })
    assert.deepEqual(
      dialled.map((text) => text.slice(1, 4)),
      [family],
    )
  }
})
