import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { keysOf } from '../../test/support/datagram-fixture.ts'
import { NETWORK } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { FakeNet } from '../../test/support/fake-net.ts'
import { FakeUdp } from '../../test/support/fake-udp.ts'
import { Registry, seededRandom, silentLog, utf8 } from '../base/index.ts'
import { type DhtConfig, dhtConfig } from './config.ts'
import { Dht } from './dht.ts'
import { MemoryStore } from './memory-store.ts'
import { dhtMetrics } from './metrics.ts'

/** Nodes that nobody told of each other; each takes datagrams at an address of its own. */
function world() {
  const [net, udp, clock] = [new FakeNet(), new FakeUdp(), new FakeClock(1_000_000)]
  const start = async (seed: number, more: Partial<DhtConfig> = {}) => {
    const { signer, agreement } = keysOf(seed)
    const host = net.add(signer.peer)
    const dht = new Dht(
      {
        host,
        signer,
        policy: { admit() {} },
        storage: new MemoryStore(),
        clock,
        random: seededRandom(signer.peer),
        log: silentLog,
        metrics: dhtMetrics(new Registry()),
        network: NETWORK,
        datagrams: { agreement, hosts: [`10.0.0.${seed}`], openUdp: (wanted) => udp.open(wanted) },
      },
      dhtConfig.parse({ workBits: 0, ...more }),
    )
    await dht.start()
    return { dht, host }
  }
  return { start, clock }
}

/** Lets what was begun come to its end; no time passes. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 50; i += 1) await setImmediate()
}

test('nodes find each other over a first peer by datagram, and no connection is made', async () => {
  const { start } = world()
  const first = await start(1)
  const [a, b] = [await start(2), await start(3)]
  const [entry = ''] = first.dht.datagramAddresses()
  assert.match(entry, /^\/ip4\/10\.0\.0\.1\/udp\/\d+\/p2p\/12D3/)
  for (const { dht } of [a, b]) {
    await dht.join(entry)
    await quiet()
  }
  assert.deepEqual(
    [first, a, b].map(({ dht }) => dht.peers),
    [2, 2, 2],
  )
  const key = `/data/${a.host.self}/x`
  const { stored } = await a.dht.put(key, utf8('by datagram'), { ttlSeconds: 60 })
  assert.equal(stored.length, 3)
  assert.deepEqual((await b.dht.get(key)).value, utf8('by datagram'))
  assert.deepEqual(
    [first, a, b].flatMap(({ host }) => host.connections()),
    [],
  )
  for (const { dht } of [first, a, b]) await dht.stop()
})

test('a node without datagrams says so in place of joining', async () => {
  const { start } = world()
  const first = await start(1)
  const off = await start(2, { datagrams: false })
  assert.deepEqual(off.dht.datagramAddresses(), [])
  const [entry = ''] = first.dht.datagramAddresses()
  await assert.rejects(off.dht.join(entry), coded('DHT_NO_DATAGRAMS'))
  for (const { dht } of [first, off]) await dht.stop()
})
