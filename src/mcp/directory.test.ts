import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
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
import { secureRandom as random, silentLog, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { Directory, type DirectoryDeps } from './directory.ts'
import { encodeInvitation } from './invitation.ts'
import { Scores } from './scores.ts'
import type { Found } from './search.ts'
import { ANY_SERVICE, descriptorKey, INDEX_NAME } from './service-index.ts'
import type { ServiceStatus } from './tool.ts'
import type { ToolQuery } from './tool-query.ts'

const [SELF, BOB, EVE] = [testPeer(1), testPeer(2), testPeer(3)]
const CONFIG = { lookupTimeoutMs: 5_000, descriptorRenewMs: 1_200_000 }
const calc = testService('calc', [testTool('add'), testTool('sub', { idempotent: false })])

/** A DHT, and directories of peers in it; what they have is published at once. */
function network() {
  const clock = new FakeClock()
  const dht = new FakeDht(clock)
  const visits: PeerId[] = []
  const listTools: DirectoryDeps['sessions']['listTools'] = async (peer) => {
    visits.push(peer)
    return [testTool('hidden')]
  }
  const join = async (peer: PeerId, ...offered: ServiceStatus[]) => {
    const services = new FakeServices()
    const host = new FakeHost(peer)
    const sessions = { listTools }
    const scores = new Scores(clock)
    const own = { dht: dht.as(peer), services, host, sessions, scores }
    const directory = new Directory({ ...own, version: '1', random, clock, log: silentLog }, CONFIG)
    services.set(...offered)
    await directory.start()
    await clock.advance(1_000)
    return { directory, services, host, scores }
  }
  return { clock, dht, visits, join }
}

function names({ entries }: Found): string[] {
  return entries.map(({ peer, service, tool }) => {
    return `${peer === SELF ? 'self' : peer === BOB ? 'bob' : 'eve'}/${service}/${tool}`
  })
}

test('find() finds a tool by its name, by its service, by both, and everything', async () => {
  const { join } = network()
  const { directory } = await join(SELF)
  await join(BOB, calc, testService('echo', [testTool('say')]))
  assert.deepEqual(names(await directory.find({ tool: 'sub' })), ['bob/calc/sub'])
  assert.deepEqual(names(await directory.find({ service: 'echo' })), ['bob/echo/say'])
  assert.deepEqual(names(await directory.find({ service: 'calc', tool: 'add' })), ['bob/calc/add'])
  assert.deepEqual(names(await directory.find({ service: 'echo', tool: 'add' })), [])
  assert.deepEqual(names(await directory.find({ tool: 'nobody-has-this' })), [])
  const all = await directory.find({})
  assert.deepEqual(names(all), ['bob/calc/add', 'bob/calc/sub', 'bob/echo/say'])
  assert.deepEqual(
    all.services.map(({ service }) => service),
    ['calc', 'echo'],
  )
  const [add, sub] = all.entries
  assert.deepEqual([add?.idempotent, sub?.idempotent], [true, false])
  assert.equal(add?.description, 'Does add')
})

test('find() finds tools by tag, by words and by the arguments that they take', async () => {
  const { join, dht } = network()
  const { directory } = await join(SELF)
  const inputSchema = { properties: { a: { type: 'number' } }, required: ['a'] }
  const square = testTool('square', { inputSchema, description: 'Multiplies by itself' })
  await join(BOB, { ...testService('calc', [square, testTool('pi')]), tags: ['math'], price: 2 })
  await join(EVE, testService('echo', [testTool('say')]))
  const byTag = await directory.find({ tag: 'math' })
  assert.deepEqual(names(byTag), ['bob/calc/square', 'bob/calc/pi'])
  assert.deepEqual([byTag.entries[0]?.tags, byTag.entries[0]?.price], [['math'], 2])
  assert.deepEqual(names(await directory.find({ tag: 'physics' })), [])
  assert.deepEqual(names(await directory.find({ accepts: { a: 'integer' } })), ['bob/calc/square'])
  assert.deepEqual(names(await directory.find({ accepts: {} })).length, 2)
  assert.deepEqual(names(await directory.find({ tag: 'math', text: 'multiplies' })), [
    'bob/calc/square',
  ])
  const { gets } = dht
  const byText = await directory.find({ text: 'itself' })
  assert.deepEqual([names(byText), byText.cached], [['bob/calc/square'], true])
  assert.equal(dht.gets, gets, 'what was seen before is found without asking')
})

test('find() looks for words in the network when nothing that was seen has them', async () => {
  const { join } = network()
  const { directory } = await join(SELF)
  await join(BOB, calc)
  const found = await directory.find({ text: 'does add' })
  assert.deepEqual([names(found), found.cached], [['bob/calc/add'], false])
})

test('find() refuses a query that nothing can answer', async () => {
  const { directory } = await network().join(SELF)
  await assert.rejects(directory.find({ tag: 'Not a tag' }), coded('MCP_QUERY_INVALID'))
  await assert.rejects(directory.find({ invitation: 'x' }), coded('MCP_INVITATION_INVALID'))
})

test('a blinded service is found with its invitation, and without it by no name of it', async () => {
  const { join, clock } = network()
  const { directory } = await join(SELF)
  const secret = new Uint8Array(32).fill(5)
  const bob = await join(BOB)
  bob.services.secrets.set('calc', secret)
  bob.services.set({ ...calc, visibility: 'blinded', tags: ['math'] })
  await clock.advance(1_000)
  const invitation = encodeInvitation({ service: 'calc', secret, peers: [BOB] })
  const found = await directory.find({ invitation })
  assert.deepEqual(names(found), ['bob/calc/add', 'bob/calc/sub'])
  assert.deepEqual(names(await directory.find({ invitation, tool: 'sub' })), ['bob/calc/sub'])
  for (const query of [
    {},
    { service: 'calc' },
    { tool: 'add' },
    { tag: 'math' },
    { text: 'add' },
  ]) {
    assert.deepEqual(names(await directory.find(query)), [], JSON.stringify(query))
  }
  const forged = { service: 'calc', secret: new Uint8Array(32), peers: [BOB] }
  const missed = await directory.find({ invitation: encodeInvitation(forged) })
  assert.deepEqual(
    [names(missed), missed.failed],
    [[], [{ peer: BOB, code: 'MCP_DESCRIPTOR_MISSING' }]],
  )
})

test('an invitation with addresses leads to a peer whose record nobody holds', async () => {
  const { join, visits } = network()
  const { directory, host } = await join(SELF)
  const secret = new Uint8Array(32).fill(5)
  const address = '/ip4/198.41.0.4/tcp/9000'
  const addresses = [{ peer: BOB, address }]
  const invitation = encodeInvitation({ service: 'calc', secret, peers: [BOB, EVE], addresses })
  const found = await directory.find({ invitation })
  assert.deepEqual([names(found), visits], [['bob/calc/hidden'], [BOB]])
  assert.deepEqual(host.learnt, [[BOB, [address]]])
  assert.deepEqual(found.failed, [{ peer: EVE, code: 'MCP_DESCRIPTOR_MISSING' }])
})

test('one who was invited cannot offer the service in place of who invited', async () => {
  const { join, clock } = network()
  const { directory } = await join(SELF)
  const secret = new Uint8Array(32).fill(5)
  const eve = await join(EVE)
  eve.services.secrets.set('calc', secret)
  eve.services.set({ ...calc, visibility: 'blinded' })
  await clock.advance(1_000)
  const invitation = encodeInvitation({ service: 'calc', secret, peers: [BOB] })
  assert.deepEqual(names(await directory.find({ invitation })), [])
})

test('a peer is asked by name for what it does not publish', async () => {
  const { join, visits } = network()
  const { directory } = await join(SELF)
  await join(BOB, calc)
  assert.deepEqual(names(await directory.find({ peer: BOB })), ['bob/calc/add', 'bob/calc/sub'])
  assert.deepEqual(visits, [])
  assert.deepEqual(names(await directory.find({ peer: BOB, service: 'secret' })), [
    'bob/secret/hidden',
  ])
  assert.deepEqual(visits, [BOB])
  assert.deepEqual(names(await directory.find({ peer: EVE })), [])
})

test('what is found stands by distance; ranked() puts first what was measured to be best', async () => {
  const { join } = network()
  const { directory, scores } = await join(SELF)
  await join(BOB, calc)
  await join(EVE, calc)
  const { entries } = await directory.find({ tool: 'add' })
  const [near, far] = entries.map(({ peer }) => peer)
  assert.ok(near && far)
  scores.succeeded(near, 500)
  scores.succeeded(far, 5)
  assert.deepEqual(
    directory.ranked(entries).map(({ peer }) => peer),
    [far, near],
  )
})

test('find() has our own tools first, and does not list them twice', async () => {
  const { join } = network()
  await join(BOB, calc)
  const { directory, services } = await join(SELF, calc)
  assert.deepEqual(names(await directory.find({ tool: 'add' })), ['self/calc/add', 'bob/calc/add'])
  services.set({ ...calc, state: 'failed' })
  assert.deepEqual(names(await directory.find({ tool: 'add' })), ['bob/calc/add'])
})

test('find() tells the host where a peer says that it is', async () => {
  const { join } = network()
  const { directory, host } = await join(SELF)
  await join(BOB, calc)
  await directory.find({ tool: 'add' })
  assert.deepEqual(host.learnt, [[BOB, ['/ip4/127.0.0.1/tcp/9000']]])
})

test('a list that was too long for its record is asked of the peer itself', async () => {
  const { join, visits } = network()
  const { directory } = await join(SELF)
  const tools = Array.from({ length: 300 }, (_, i) => testTool(`a-tool-with-a-long-name-${i}`))
  await join(BOB, testService('big', tools))
  assert.deepEqual(names(await directory.find({ service: 'big' })), ['bob/big/hidden'])
  assert.deepEqual(visits, [BOB])
})

for (const [name, query] of Object.entries({
  calc: { service: 'calc' },
  [INDEX_NAME]: { tool: 'add' },
})) {
  test(`a record at ${name} that another peer signed counts for nothing`, async () => {
    const { join, dht } = network()
    const { directory } = await join(SELF)
    await join(BOB, calc)
    const key = descriptorKey(name, BOB)
    const record = dht.records.get(key)
    assert.ok(record)
    dht.records.set(key, { ...record, publisher: EVE })
    const found = await directory.find(query)
    assert.deepEqual(names(found), [])
    assert.deepEqual(found.failed, [{ peer: BOB, code: 'MCP_DESCRIPTOR_INVALID' }])
  })
}

/** How many records a search of a newcomer reads, and what it finds. */
async function readsOf(net: ReturnType<typeof network>, query: ToolQuery, times = 1) {
  const { directory } = await net.join(SELF)
  const before = net.dht.gets
  let found: Found | undefined
  for (let i = 0; i < times; i += 1) found = await directory.find(query)
  return { reads: net.dht.gets - before, found: found?.entries.length }
}

const numbered = (count: number, tools: number) => {
  return Array.from({ length: count }, (_, at) => {
    const description = 'x'.repeat(tools === 1 ? 8 : 200)
    const list = Array.from({ length: tools }, (_, i) =>
      testTool(`tool-${at}-${i}`, { description }),
    )
    return { ...testService(`service-${at}`, list), tags: at % 2 === 0 ? ['even'] : ['odd'] }
  })
}

// Before the index had more than names, each of these took eleven reads, every time.
test('of ten services of a peer those are read that have the tag or the tool, and once', async () => {
  const net = network()
  await net.join(BOB, ...numbered(10, 1))
  assert.deepEqual(await readsOf(net, { tool: 'tool-7-0' }), { reads: 2, found: 1 })
  assert.deepEqual(await readsOf(net, { tag: 'even' }), { reads: 6, found: 5 })
  assert.deepEqual(await readsOf(net, { tag: 'even' }, 2), { reads: 6 + 1, found: 5 })
  assert.deepEqual(await readsOf(net, {}), { reads: 11, found: 10 })
})

test('services of which the index has more than a packet come in one read as far as they fit', async () => {
  const net = network()
  await net.join(BOB, ...numbered(16, 1))
  await net.clock.advance(30_000)
  const { reads, found } = await readsOf(net, { tag: 'even' })
  assert.equal(found, 8)
  assert.ok(reads <= 4, `${reads} reads`)
})

test('of large services only those are read that have what is looked for, and once', async () => {
  const net = network()
  await net.join(BOB, ...numbered(6, 20))
  await net.clock.advance(30_000)
  assert.deepEqual(await readsOf(net, { tool: 'tool-3-5' }), { reads: 2, found: 1 })
  const first = await readsOf(net, { tag: 'even' })
  assert.deepEqual(first, { reads: 4, found: 60 })
  const again = await readsOf(net, { tag: 'even' }, 3)
  assert.deepEqual(again, { reads: 4 + 2, found: 60 })
})

test('a descriptor that was known is read again when the index says that it changed', async () => {
  const { join, clock } = network()
  const { directory } = await join(SELF)
  const bob = await join(BOB, ...numbered(6, 20))
  await clock.advance(30_000)
  await directory.find({ tag: 'even' })
  const [first, ...others] = numbered(6, 20)
  assert.ok(first)
  bob.services.set({ ...first, price: 7 }, ...others)
  await clock.advance(1_000)
  const { entries } = await directory.find({ tool: 'tool-0-3' })
  assert.deepEqual(
    entries.map(({ price }) => price),
    [7],
  )
})

test('a peer that says only the names of its services is asked for each', async () => {
  const net = network()
  await net.join(BOB, ...numbered(10, 1))
  const services = numbered(10, 1).map(({ name }) => name)
  const value = utf8(JSON.stringify({ v: 1, peer: BOB, services }))
  const key = descriptorKey(INDEX_NAME, BOB)
  net.dht.records.set(key, { value, publisher: BOB, ttlSeconds: 3_600 })
  assert.deepEqual(await readsOf(net, { tag: 'even' }), { reads: 11, found: 5 })
})

test('a descriptor that speaks of another peer or service counts for nothing', async () => {
  const { join, dht } = network()
  const { directory } = await join(SELF)
  await join(BOB, calc)
  await join(EVE, testService('calc', [testTool('mul')]))
  const eves = dht.records.get(`/mcp/calc/${EVE}`)
  assert.ok(eves)
  dht.records.set(`/mcp/calc/${BOB}`, { ...eves, publisher: BOB })
  const found = await directory.find({ service: 'calc' })
  assert.deepEqual(names(found), ['eve/calc/mul'])
  assert.deepEqual(found.failed, [{ peer: BOB, code: 'MCP_DESCRIPTOR_INVALID' }])
})

test('a peer without a record, or with a broken one, is named and harms nobody', async () => {
  const { join, dht } = network()
  const { directory } = await join(SELF)
  await join(BOB, calc)
  await join(EVE, calc)
  dht.records.delete(`/mcp/0-index/${EVE}`)
  const found = await directory.find({ tool: 'add' })
  assert.deepEqual(names(found), ['bob/calc/add'])
  assert.deepEqual(found.failed, [{ peer: EVE, code: 'MCP_DESCRIPTOR_MISSING' }])
  assert.equal(found.asked, 1)

  dht.records.set(`/mcp/calc/${EVE}`, { value: utf8('{}'), publisher: EVE, ttlSeconds: 1 })
  const again = await directory.find({ service: 'calc' })
  assert.deepEqual(again.failed, [{ peer: EVE, code: 'MCP_DESCRIPTOR_INVALID' }])
})

test('find() answers at its deadline with what it has, and says whom it missed', async () => {
  const { join, dht, clock } = network()
  const { directory } = await join(SELF)
  await join(BOB, calc)
  await join(EVE, calc)
  dht.silent.add(`/mcp/0-index/${EVE}`)
  const searching = directory.find({ tool: 'add' })
  await clock.advance(5_000)
  const found = await searching
  assert.deepEqual(names(found), ['bob/calc/add'])
  assert.deepEqual(found.failed, [{ peer: EVE, code: 'BASE_DEADLINE' }])
})

test('find() still reads what peers offer when the search for them takes all its share', async () => {
  const { clock, dht, join } = network()
  await join(BOB, calc)
  const { directory } = await join(SELF)
  const keys = [descriptorKey(INDEX_NAME, BOB), descriptorKey('calc', BOB)]
  for (const name of [ANY_SERVICE, ...keys]) {
    dht.slow.add(name)
  }
  const found = directory.find({})
  await clock.advance(2_000)
  await clock.advance(1_000)
  await clock.advance(1_000)
  assert.deepEqual(names(await found), ['bob/calc/add', 'bob/calc/sub'])
})

test('find() has our own tools even when nobody can be asked', async () => {
  const { join, dht, clock } = network()
  const { directory } = await join(SELF, calc)
  dht.silent.add('mcp:tool:add')
  const searching = directory.find({ tool: 'add' })
  await clock.advance(5_000)
  const found = await searching
  assert.deepEqual(names(found), ['self/calc/add'])
  assert.deepEqual(found.failed, [{ peer: SELF, code: 'BASE_DEADLINE' }])
})

test('find() ends when its caller gives up', async () => {
  const { join, dht } = network()
  const { directory } = await join(SELF)
  dht.silent.add('mcp:tool:add')
  const caller = new AbortController()
  const searching = directory.find({ tool: 'add' }, { signal: caller.signal })
  caller.abort(new RangeError('never mind'))
  await assert.rejects(searching, /never mind/)
})

test('lookup() remembers for half a minute what was found, until it is told to forget', async () => {
  const { join, dht, clock } = network()
  const { directory } = await join(SELF)
  await join(BOB, calc)
  assert.equal((await directory.lookup({ tool: 'add' })).cached, false)
  const { gets } = dht
  const second = await directory.lookup({ tool: 'add' })
  assert.deepEqual([second.cached, names(second), dht.gets], [true, ['bob/calc/add'], gets])
  directory.forget({ tool: 'add' })
  assert.equal((await directory.lookup({ tool: 'add' })).cached, false)
  await clock.advance(30_001)
  assert.equal((await directory.lookup({ tool: 'add' })).cached, false)
})

test('lookup() does not remember that nobody offers a tool', async () => {
  const { join } = network()
  const { directory } = await join(SELF)
  assert.deepEqual(names(await directory.lookup({ tool: 'add' })), [])
  await join(BOB, calc)
  assert.deepEqual(names(await directory.lookup({ tool: 'add' })), ['bob/calc/add'])
})

test('a peer that withdrew a service is no longer found', async () => {
  const { join, clock } = network()
  const { directory } = await join(SELF)
  const bob = await join(BOB, calc)
  bob.services.set()
  await clock.advance(1_000)
  const found = await directory.find({ service: 'calc' })
  assert.deepEqual([names(found), found.failed], [[], []])
})

test('no more than 16 records are read at once', async () => {
  const { join, dht } = network()
  const { directory } = await join(SELF)
  const peers = Array.from({ length: 40 }, (_, i) => testPeer(i + 10))
  dht.providers.set('mcp:any', new Set(peers))
  for (const peer of peers) dht.silent.add(`/mcp/0-index/${peer}`)
  const before = dht.gets
  const caller = new AbortController()
  const searching = directory.find({}, { signal: caller.signal })
  await new Promise(setImmediate)
  assert.equal(dht.gets - before, 16)
  caller.abort(new RangeError('enough'))
  await assert.rejects(searching, /enough/)
})

test('a visit that hangs ends with the search', async () => {
  const { clock, dht, join } = network()
  const tools = Array.from({ length: 300 }, (_, i) => testTool(`a-tool-with-a-long-name-${i}`))
  await join(BOB, testService('big', tools))
  const own = { dht: dht.as(SELF), services: new FakeServices(), host: new FakeHost(SELF) }
  const sessions: DirectoryDeps['sessions'] = {
    listTools: async (_peer, _service, options) => untilAborted(options?.signal),
  }
  const deps = { ...own, sessions, version: '1', random, clock, log: silentLog }
  const searching = new Directory(deps, CONFIG).find({ service: 'big' })
  await clock.advance(5_000)
  assert.deepEqual((await searching).failed, [{ peer: BOB, code: 'BASE_DEADLINE' }])
})
