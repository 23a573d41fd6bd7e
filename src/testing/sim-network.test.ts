/** Links, streams and datagrams of the simulated network, without any node on it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../base/index.ts'
import { scopeOf } from '../ip/index.ts'
import type { NatKind } from './nat.ts'
import { simRandom } from './seed.ts'
import { dialHost } from './sim-dial.ts'
import { LINK, type LinkConfig, type SimHost, SimNetwork } from './sim-network.ts'
import type { Chunk, SimSocket } from './sim-socket.ts'
import { simUdp } from './sim-udp.ts'
import { VirtualTime } from './virtual-time.ts'

const EXACT = { ...LINK, jitterMs: 0, bytesPerSecond: 1e12 }
const PORT = 9_000
const chunk = (byteLength: number): Chunk => ({ byteLength })

/** Two hosts, a listener on the second, and what it heard. */
function setup(link: Partial<LinkConfig> = {}, nat: NatKind = 'none') {
  const time = new VirtualTime(1)
  const network = new SimNetwork(time, simRandom('test'), { ...EXACT, ...link })
  const [one, two] = [network.host({ nat }), network.host()]
  const accepted: SimSocket[] = []
  const heard: { atMs: number; bytes: number }[] = []
  const ended: (Error | undefined)[] = []
  two.listeners.set(PORT, {
    identity: 'two',
    accept(socket) {
      accepted.push(socket)
      socket.listen({
        data: (chunks) => {
          const bytes = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0)
          heard.push({ atMs: Math.round(time.elapsedMs), bytes })
        },
        ended: (error) => ended.push(error),
        drained() {},
      })
    },
  })
  const dial = (to = two, from = one, ms = 60_000) => {
    const stop = new AbortController()
    time.after(ms, 0, () => stop.abort(new RangeError('too late')))
    const options = { signal: stop.signal, identity: 'one' }
    return dialHost(network, from, { host: to.ip, port: PORT }, options)
  }
  return { time, network, one, two, accepted, heard, ended, dial }
}

test('a dial takes two round trips, and the listener has it half a round trip later', async () => {
  const { time, accepted, dial } = setup()
  const socket = await time.drive(dial())
  assert.equal(Math.round(time.elapsedMs), 100)
  assert.equal(socket.remoteIdentity, 'two')
  assert.equal(accepted.length, 0)
  await time.drive(time.sleep(30))
  assert.equal(accepted[0]?.remoteIdentity, 'one')
})

test('bytes come in order after the latency; those of one moment come together', async () => {
  const { time, heard, dial } = setup()
  const socket = await time.drive(dial())
  socket.write(chunk(10))
  socket.write(chunk(20))
  await time.drive(time.sleep(1))
  socket.write(chunk(5))
  await time.drive(time.sleep(100))
  assert.deepEqual(heard, [
    { atMs: 125, bytes: 30 },
    { atMs: 126, bytes: 5 },
  ])
})

test('a slow line makes a long message late, and whatever leaves behind it', async () => {
  const { time, heard, dial } = setup({ bytesPerSecond: 100_000 })
  const socket = await time.drive(dial())
  const startedMs = time.elapsedMs
  socket.write(chunk(100_000))
  await time.drive(time.sleep(1))
  socket.write(chunk(1))
  await time.drive(time.sleep(5_000))
  const lateMs = heard.map(({ atMs }) => Math.round((atMs - startedMs) / 100) * 100)
  assert.deepEqual(lateMs, [1_000, 1_000])
})

test('a writer is told to wait when a megabyte is on its way, and when there is room', async () => {
  const { time, dial } = setup()
  const socket = await time.drive(dial())
  let drained = 0
  socket.listen({ data() {}, ended() {}, drained: () => (drained += 1) })
  assert.equal(socket.write(chunk(500_000)), true)
  assert.equal(socket.write(chunk(600_000)), false)
  await time.drive(time.sleep(100))
  assert.equal(drained, 1)
  assert.equal(socket.write(chunk(1)), true)
})

test('a partition stalls a stream until it heals, and loses nothing', async () => {
  const { time, network, heard, dial } = setup()
  const socket = await time.drive(dial())
  const condition = { blocks: () => true }
  network.conditions.add(condition)
  socket.write(chunk(10))
  await time.drive(time.sleep(5_000))
  assert.deepEqual(heard, [])
  network.conditions.delete(condition)
  await time.drive(time.sleep(10_000))
  assert.deepEqual(
    heard.map(({ bytes }) => bytes),
    [10],
  )
})

test('a stream across a partition that stays is given up', async () => {
  const { time, network, dial } = setup()
  const socket = await time.drive(dial())
  const ended: unknown[] = []
  socket.listen({ data() {}, ended: (error) => ended.push(error), drained() {} })
  network.conditions.add({ blocks: () => true })
  socket.write(chunk(10))
  await time.drive(time.sleep(300_000))
  assert.equal(ended.length, 1)
  assert.ok(hasCode(ended[0], 'TESTING_STREAM_BROKEN'))
  assert.equal(socket.isOpen, false)
})

test('end() and reset() are told to the other side, vanish() to nobody', async () => {
  const { time, accepted, ended, dial } = setup()
  for (const how of ['end', 'reset', 'vanish'] as const) {
    const socket = await time.drive(dial())
    await time.drive(time.sleep(50))
    socket[how]()
    await time.drive(time.sleep(50))
  }
  assert.deepEqual(
    ended.map((error) => hasCode(error, 'TESTING_STREAM_BROKEN')),
    [false, true],
  )
  assert.deepEqual(
    accepted.map(({ isOpen }) => isOpen),
    [false, false, true],
  )
})

test('who writes to a side that has forgotten is told so', async () => {
  const { time, accepted, dial } = setup()
  const socket = await time.drive(dial())
  await time.drive(time.sleep(50))
  accepted[0]?.vanish()
  const ended: unknown[] = []
  socket.listen({ data() {}, ended: (error) => ended.push(error), drained() {} })
  socket.write(chunk(1))
  await time.drive(time.sleep(100))
  assert.ok(hasCode(ended[0], 'TESTING_STREAM_BROKEN'))
})

test('loss makes a stream late and takes datagrams away', async () => {
  const { time, network, one, two, heard, dial } = setup()
  const socket = await time.drive(dial())
  const startedMs = time.elapsedMs
  const losses = [1]
  network.conditions.add({ loss: () => losses.pop() ?? 0 })
  socket.write(chunk(100))
  await time.drive(time.sleep(2_000))
  assert.equal(heard[0]?.atMs, startedMs + 25 + 50 + 200)
  network.conditions.clear()
  network.conditions.add({ loss: () => 1 })
  assert.equal(await received(time, network, one, two), 0)
})

async function received(time: VirtualTime, network: SimNetwork, from: SimHost, to: SimHost) {
  const wanted = { hosts: [], port: 7_000, movable: true }
  const [sender, receiver] = [
    await simUdp(network, from)(wanted),
    await simUdp(network, to)(wanted),
  ]
  let count = 0
  receiver.onPacket(() => {
    count += 1
  })
  const [target] = receiver.addresses
  if (target !== undefined) sender.send(new Uint8Array(10), target)
  await time.drive(time.sleep(1_000))
  sender.close()
  receiver.close()
  return count
}

test('a datagram comes once, from where it can be answered, also from behind a router', async () => {
  for (const nat of ['none', 'symmetric'] as const) {
    const { time, network, one, two } = setup({}, nat)
    const wanted = { hosts: [], port: 7_000, movable: false }
    const inside = await simUdp(network, one)(wanted)
    const outside = await simUdp(network, two)(wanted)
    const answers: number[] = []
    inside.onPacket((bytes) => answers.push(bytes.length))
    outside.onPacket((_, from) => outside.send(new Uint8Array(3), from))
    inside.send(new Uint8Array(10), { host: two.ip, port: 7_000 })
    await time.drive(time.sleep(100))
    assert.deepEqual(answers, [3])
  }
})

test('a taken UDP port is refused unless another will do', async () => {
  const { network, one } = setup()
  const open = simUdp(network, one)
  const first = await open({ hosts: [], port: 7_000, movable: false })
  await assert.rejects(open({ hosts: [], port: 7_000, movable: false }), /taken/)
  const other = await open({ hosts: [], port: 7_000, movable: true })
  assert.notEqual(other.addresses[0]?.port, first.addresses[0]?.port)
})

test('a dial is refused where nobody listens and silent where nobody is', async () => {
  const { time, network, one, two, dial } = setup()
  two.listeners.clear()
  await assert.rejects(time.drive(dial()), /refused/)
  two.isUp = false
  await assert.rejects(time.drive(dial(two, one, 5_000)), /too late/)
  const behind = network.host({ nat: 'port-restricted' })
  behind.listeners.set(PORT, { identity: 'x', accept: () => assert.fail('a router let it in') })
  await assert.rejects(time.drive(dial(behind, one, 5_000)), /too late/)
})

test('hosts have public addresses in many networks, the same for the same seed', () => {
  const ips = () => {
    const network = new SimNetwork(new VirtualTime(1), simRandom('ips'))
    return Array.from({ length: 300 }, () => network.host().ip)
  }
  const all = ips()
  assert.deepEqual(all, ips())
  assert.equal(new Set(all).size, 300)
  assert.ok(all.every((ip) => scopeOf(ip) === 'global'))
  assert.ok(new Set(all.map((ip) => ip.split('.').slice(0, 2).join('.'))).size > 250)
})
