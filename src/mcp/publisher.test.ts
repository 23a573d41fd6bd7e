import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import {
  FakeDht,
  FakeHost,
  FakeServices,
  testPeer,
  testService,
  testTool,
  untilAborted,
} from '../../test/support/mcp-directory.ts'
import { secureRandom as random, silentLog } from '../base/index.ts'
import { blindedName, openDescriptor } from './blinded.ts'
import { decodeDescriptor } from './descriptor.ts'
import { Publisher } from './publisher.ts'
import { decodeIndex } from './service-index.ts'

const SELF = testPeer(1)
const OTHER = testPeer(2)
const SECRET = new Uint8Array(32).fill(9)
const RENEW_MS = 1_200_000
const KEY = `/mcp/calc/${SELF}`
const INDEX = `/mcp/0-index/${SELF}`
const calc = testService('calc', [testTool('add'), testTool('sub')])

function setup() {
  const clock = new FakeClock()
  const dht = new FakeDht()
  const services = new FakeServices()
  const host = new FakeHost(SELF)
  const own = { dht: dht.as(SELF), services, host, version: '0.1.0', load: () => 20 }
  const deps = { ...own, random, clock, log: silentLog }
  const announced: string[] = []
  const publisher = new Publisher(deps, { descriptorRenewMs: RENEW_MS }, (service, bytes) => {
    announced.push(`${service} ${decodeDescriptor(bytes).toolCount}`)
  })
  const described = (key = KEY) => {
    const record = dht.records.get(key)
    return record && decodeDescriptor(record.value)
  }
  const provided = () => {
    return [...dht.providers].filter(([, peers]) => peers.has(SELF)).map(([name]) => name)
  }
  const stop = async () => {
    const stopped = publisher.stop()
    await clock.advance(0)
    await stopped
    assert.equal(clock.waiting, 0, 'nothing waits any more')
  }
  return { clock, dht, services, host, publisher, described, provided, announced, stop }
}

test('a node without services publishes nothing', async () => {
  const { clock, dht, publisher, stop } = setup()
  publisher.start()
  await clock.advance(RENEW_MS * 3)
  await stop()
  assert.deepEqual([dht.puts, dht.providers.size], [0, 0])
})

test('a service that is ready is published under its name, its tools and in the index', async () => {
  const { clock, dht, services, publisher, described, provided, stop } = setup()
  publisher.start()
  services.set(calc, { ...testService('later', [testTool('wait')]), state: 'starting' })
  await clock.advance(1_000)
  assert.deepEqual(
    described()?.tools.map(({ name }) => name),
    ['add', 'sub'],
  )
  assert.deepEqual(described()?.endpoints, [`/ip4/127.0.0.1/tcp/9000/p2p/${SELF}`])
  const index = dht.records.get(INDEX)
  assert.deepEqual(index && decodeIndex(index.value, SELF).map(({ service }) => service), ['calc'])
  assert.deepEqual(provided(), ['mcp:any', 'mcp:service:calc', 'mcp:tool:add', 'mcp:tool:sub'])
  await stop()
})

test('every tool is announced, also those that its descriptor has no room for', async () => {
  const { clock, services, publisher, described, provided, stop } = setup()
  const tools = Array.from({ length: 300 }, (_, i) => testTool(`a-tool-with-a-long-name-${i}`))
  services.set(testService('calc', tools))
  publisher.start()
  await clock.advance(1_000)
  assert.ok(provided().length < 30, 'not all at once: a stranger has a quota')
  await clock.advance(40_000)
  assert.deepEqual([described()?.tools.length, described()?.toolCount], [0, 300])
  assert.equal(provided().length, 302)
  await stop()
})

test('records are renewed before they expire', async () => {
  const { clock, dht, services, host, publisher, stop } = setup()
  dht.holders.push(OTHER, testPeer(3))
  host.peers = [OTHER]
  services.set(calc)
  publisher.start()
  await clock.advance(1_000)
  assert.equal(dht.puts, 2)
  await clock.advance(RENEW_MS)
  assert.equal(dht.puts, 4)
  assert.ok((dht.records.get(KEY)?.ttlSeconds ?? 0) * 1_000 > RENEW_MS * 2)
  await stop()
})

test('a new peer is a reason to publish while too few hold the records, and only then', async () => {
  const { clock, dht, services, host, publisher, stop } = setup()
  services.set(calc)
  publisher.start()
  await clock.advance(1_000)
  assert.equal(dht.puts, 2, 'held by this node alone')
  dht.holders.push(OTHER, testPeer(3))
  host.events.emit('identified', { peer: OTHER, protocols: [] })
  await clock.advance(1_000)
  assert.equal(dht.puts, 4)
  host.events.emit('identified', { peer: testPeer(4), protocols: [] })
  await clock.advance(1_000)
  assert.equal(dht.puts, 4, 'as many hold them as should')
  await stop()
})

test('what no peer took is offered again soon, if there is a peer', async () => {
  const { clock, dht, services, host, publisher, stop } = setup()
  host.peers = [OTHER]
  services.set(calc)
  publisher.start()
  await clock.advance(1_000)
  await clock.advance(11_000)
  assert.equal(dht.puts, 4)
  await stop()
})

test('a change of our addresses is published', async () => {
  const { clock, dht, services, host, publisher, stop } = setup()
  services.set(calc)
  publisher.start()
  await clock.advance(1_000)
  host.port = 9_001
  host.events.emit('addresses', { addresses: host.addresses() })
  await clock.advance(1_000)
  assert.equal(dht.puts, 4, 'the descriptor, and the index that has it whole')
  await stop()
})

test('a change writes what differs and nothing else', async () => {
  const { clock, dht, services, publisher, stop } = setup()
  services.set(calc)
  publisher.start()
  await clock.advance(1_000)
  assert.deepEqual([dht.puts, dht.provides], [2, 4])
  services.set(calc)
  await clock.advance(1_000)
  assert.deepEqual([dht.puts, dht.provides], [2, 4], 'it is as it was')
  services.set(calc, testService('echo', [testTool('add'), testTool('say')]))
  await clock.advance(1_000)
  assert.deepEqual([dht.puts, dht.provides], [4, 6], 'a descriptor and the index, two names')
  await stop()
})

test('while some hold the records, but too few, newcomers wait for the next round', async () => {
  const { clock, dht, services, host, publisher, stop } = setup()
  dht.holders.push(OTHER)
  services.set(calc)
  publisher.start()
  await clock.advance(1_000)
  for (const n of [4, 5, 6]) {
    host.events.emit('identified', { peer: testPeer(n), protocols: [] })
    await clock.advance(1_000)
  }
  assert.equal(dht.puts, 2)
  await clock.advance(60_000)
  assert.equal(dht.puts, 4, 'one round for all of them')
  await stop()
})

test('a service that is gone is written over, and its names are given up', async () => {
  const { clock, dht, services, publisher, described, provided, stop } = setup()
  services.set(calc, testService('echo', [testTool('add')]))
  publisher.start()
  await clock.advance(1_000)
  services.set(testService('echo', [testTool('add')]))
  await clock.advance(1_000)
  assert.equal(described()?.toolCount, 0)
  assert.ok((dht.records.get(KEY)?.ttlSeconds ?? 0) < 3_600)
  assert.deepEqual(provided(), ['mcp:any', 'mcp:tool:add', 'mcp:service:echo'])
  await stop()
})

test('a service that is being restarted stays published', async () => {
  const { clock, services, publisher, described, stop } = setup()
  services.set(calc)
  publisher.start()
  await clock.advance(1_000)
  services.set({ ...calc, state: 'restarting' })
  await clock.advance(1_000)
  assert.equal(described()?.toolCount, 2)
  await stop()
})

test('tags are announced, and what is said of a service stands in its descriptor', async () => {
  const { clock, services, publisher, described, provided, stop } = setup()
  services.set({ ...calc, tags: ['math'], price: 3, resources: ['table'], prompts: ['a', 'b'] })
  publisher.start()
  await clock.advance(1_000)
  const { tags, price, load, resources, prompts, expires } = described() ?? assert.fail()
  assert.deepEqual([tags, price, load], [['math'], 3, 20])
  assert.deepEqual([resources, prompts.count], [{ count: 1, names: ['table'] }, 2])
  assert.ok(expires * 1_000 > clock.now() + RENEW_MS * 2)
  assert.ok(provided().includes('mcp:tag:math'))
  await stop()
})

test('what is only for certain peers is not published at all', async () => {
  const { clock, dht, services, publisher, provided, announced, stop } = setup()
  services.set({ ...calc, visibility: 'peers' })
  publisher.start()
  await clock.advance(1_000)
  assert.deepEqual([dht.puts, provided(), announced], [0, [], []])
  await stop()
  assert.equal(dht.puts, 0)
})

test('a blinded service stands where only who was invited looks, and is told to nobody', async () => {
  const { clock, dht, services, publisher, provided, announced, stop } = setup()
  services.set({ ...calc, visibility: 'blinded', tags: ['math'] })
  services.secrets.set('calc', SECRET)
  publisher.start()
  await clock.advance(1_000)
  const key = `/mcp/${blindedName(SECRET, 'calc')}/${SELF}`
  assert.deepEqual([[...dht.records.keys()], provided(), announced], [[key], [], []])
  const read = () => {
    const { value } = dht.records.get(key) ?? assert.fail()
    assert.doesNotMatch(Buffer.from(value).toString('latin1'), /calc|add|127/)
    return decodeDescriptor(openDescriptor(value, { secret: SECRET, key }))
  }
  assert.deepEqual([read().service, read().toolCount], ['calc', 2])
  services.set(calc)
  await clock.advance(1_000)
  assert.equal(read().toolCount, 0, 'withdrawn when it is no more blinded')
  assert.ok(dht.records.has(KEY))
  await stop()
})

test('a service is announced each time that its descriptor is written, and when it goes', async () => {
  const { clock, services, publisher, announced, stop } = setup()
  services.set(calc)
  publisher.start()
  await clock.advance(1_000)
  assert.deepEqual(announced, ['calc 2'])
  services.set(calc)
  await clock.advance(1_000)
  assert.deepEqual(announced, ['calc 2'], 'it is as it was')
  await clock.advance(RENEW_MS)
  assert.deepEqual(announced, ['calc 2', 'calc 2'])
  await stop()
  assert.deepEqual(announced, ['calc 2', 'calc 2', 'calc 0'])
})

test('stop() takes everything back', async () => {
  const { clock, dht, services, publisher, described, provided, stop } = setup()
  services.set(calc)
  publisher.start()
  await clock.advance(1_000)
  await stop()
  assert.equal(described()?.toolCount, 0)
  const index = dht.records.get(INDEX)
  assert.deepEqual(index && decodeIndex(index.value, SELF), [])
  assert.deepEqual(provided(), [])
})

test('writes begin anew only when all those of a failed round have ended', async () => {
  const { clock, dht, services, host } = setup()
  const real = dht.as(SELF)
  let writing = 0
  let writingMax = 0
  const put: typeof real.put = async (key, _value, { signal }) => {
    if (key === KEY) throw new RangeError('disk')
    writing += 1
    writingMax = Math.max(writing, writingMax)
    await untilAborted(signal).finally(() => {
      writing -= 1
    })
    return { stored: [], wanted: 1 }
  }
  const deps = {
    dht: { ...real, put },
    services,
    host,
    version: '1',
    random,
    clock,
    log: silentLog,
  }
  const publisher = new Publisher(deps, { descriptorRenewMs: RENEW_MS })
  services.set(calc)
  publisher.start()
  await clock.advance(30_000)
  assert.deepEqual([writing, writingMax], [1, 1])
  await clock.advance(120_000)
  assert.equal(writingMax, 1)
  const stopped = publisher.stop()
  await clock.advance(1_000)
  await stopped
  assert.deepEqual([writing, clock.waiting], [0, 0])
})

test('a failed write is tried again and harms nobody', async () => {
  const { clock, dht, services, host, publisher, described, stop } = setup()
  let broken = true
  const real = dht.as(SELF)
  const put: typeof real.put = (...args) => {
    return broken ? Promise.reject(new RangeError('disk')) : real.put(...args)
  }
  const deps = {
    dht: { ...real, put },
    services,
    host,
    version: '1',
    random,
    clock,
    log: silentLog,
  }
  const other = new Publisher(deps, { descriptorRenewMs: RENEW_MS })
  services.set(calc)
  other.start()
  await clock.advance(1_000)
  assert.equal(described(), undefined)
  broken = false
  await clock.advance(11_000)
  assert.equal(described()?.toolCount, 2)
  await Promise.all([other.stop(), clock.advance(0)])
  publisher.start()
  await stop()
})
