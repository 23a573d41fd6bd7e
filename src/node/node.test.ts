import assert from 'node:assert/strict'
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { hasCode, secureRandom, utf8 } from '../base/index.ts'
import { endpointToWords } from '../ip/index.ts'
import { tool, z } from '../mcp/index.ts'
import type { NodeOptions } from './config.ts'
import { openDataDir } from './data-dir.ts'
import { resolveOptions } from './load-config.ts'
import type { Node } from './node.ts'
import { createNode, openNode } from './open-node.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'p2p-node-'))
})
afterEach(() => rm(home, { recursive: true }))

const starts = (options: NodeOptions = {}): Promise<Node> => {
  return openNode(resolveOptions({ preset: 'test', ...options, dataDir: home }, {}), {
    version: '1.2.3',
    writeLog: () => undefined,
  })
}

/** A TCP port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  await new Promise((resolve) => server.close(resolve))
  return address.port
}

/** Throws unless the port can be had and the data folder has no lock and no open file. */
async function assertReleased(port: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host: '127.0.0.1', exclusive: true }, resolve)
  })
  await new Promise((resolve) => server.close(resolve))
  if (process.platform === 'linux') {
    const fds = await readdir('/proc/self/fd')
    const open = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
    assert.deepEqual(
      open.filter((path) => path.startsWith(home)),
      [],
    )
  }
  await (await openDataDir(home, secureRandom)).close()
}

const tcpAt = (port: number) => ({ net: { listen: [`/ip4/127.0.0.1/tcp/${port}`] } })

test('a node that is stopped twice, even at once, is stopped when either call says so', async () => {
  const port = await freePort()
  const node = await starts(tcpAt(port))
  assert.equal(node.health().ready, true)
  const both = [node.stop(), node.stop()]
  assert.equal(node.health().ready, false)
  const ended: number[] = []
  void both[0]?.then(() => ended.push(0))
  await both[1]
  assert.deepEqual(ended, [0], 'the second call does not end before the first')
  await assertReleased(port)
  await node.stop()
})

test('a start that fails in the middle lets go of the lock, the ports and the store', async () => {
  const port = await freePort()
  await writeFile(join(home, 'services.json'), 'no JSON')
  await assert.rejects(starts(tcpAt(port)), coded('MCP_SERVICES_FILE'))
  await assertReleased(port)
})

test('a start that fails at its first room lets go of what was open before', async () => {
  const port = await freePort()
  const holder = createServer()
  await new Promise<void>((resolve) => holder.listen(port, '127.0.0.1', resolve))
  await assert.rejects(starts(tcpAt(port)), coded('NET_PORT_BUSY'))
  await new Promise((resolve) => holder.close(resolve))
  await assertReleased(port)
})

test('a folder whose store is broken, or of another peer, is not held', async () => {
  await writeFile(join(home, 'records.sqlite'), 'no database'.repeat(1_000))
  await assert.rejects(starts(), coded('DHT_STORE_BROKEN'))
  await rm(join(home, 'records.sqlite'))
  const peerId = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
  await assert.rejects(starts({ peerId }), coded('NODE_PEER_ID_MISMATCH'))
  await assertReleased(await freePort())
})

test('status() says who and where the node is, with words that can be dialled', async () => {
  const port = await freePort()
  await using node = await starts({ ...tcpAt(port), network: 'lab' })
  const { uptimeMs, health, reachability, ...status } = node.status()
  assert.deepEqual(status, {
    peerId: node.peerId,
    ethAddress: null,
    words: await endpointToWords({ ip: '127.0.0.1', port }),
    listen: [`/ip4/127.0.0.1/tcp/${port}/p2p/${node.peerId}`],
    peers: 0,
    network: 'lab',
    version: '1.2.3',
    quic: { state: 'off', reason: 'no address with /quic-v1 is listened on' },
    tunnel: {
      state: 'unavailable',
      reason: 'IPv6 tunnels are not built yet',
      remedy: 'use native IPv6 or IPv4 until the tunnel room is there',
    },
    portMapping: { state: 'off', reason: 'turned off by network.port_mapping', mappings: [] },
    dataDir: home,
  })
  assert.equal(reachability.verdict, 'unknown')
  assert.ok(uptimeMs >= 0)
  assert.deepEqual(health, node.health())
  assert.equal(health.status, 'degraded')
  assert.match(node.configToml(), /name = "lab"/)
})

test('health() names first peers that cannot be reached', async () => {
  const nowhere = `/ip4/127.0.0.1/tcp/${await freePort()}`
  await using node = await starts({ bootstrap: { nodes: [nowhere] } })
  const until = performance.now() + 10_000
  while (!String(node.health().reasons).includes(nowhere)) {
    assert.ok(performance.now() < until, String(node.health().reasons))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
})

test('health() is failing while the store takes no writes, and well again when it does', async () => {
  await using node = await starts()
  const key = `/data/${node.peerId}/x`
  await node.dht.put(key, utf8('before'))
  const other = new DatabaseSync(join(home, 'records.sqlite'))
  other.exec('BEGIN IMMEDIATE')
  const { stored, failed } = await node.dht.put(key, utf8('during'))
  assert.deepEqual([stored, failed], [[], [{ peer: node.peerId, code: 'DHT_STORE_FAILED' }]])
  const { status, ready, reasons } = node.health()
  assert.deepEqual([status, ready], ['failing', false])
  assert.match(String(reasons), /store not writable: .*locked/)
  other.exec('ROLLBACK')
  other.close()
  await node.dht.put(key, utf8('after'))
  assert.equal(node.health().ready, true)
})

test('what a preset or the configuration leaves out is refused by name', async () => {
  await using node = await starts({
    preset: 'private',
    bootstrap: { mdns: false },
    net: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    mcp: { availableTools: [] },
  })
  const off = coded('NODE_SECTION_OFF')
  await assert.rejects(node.dht.get('/data/a/b'), off)
  await assert.rejects(node.dht.put('/data/a/b', utf8('x')), off)
  assert.deepEqual(await node.tools.find({}), [])
  assert.equal(node.health().ready, true)
})

test('a node without MCP serves records and refuses tools', async () => {
  const dataDir = home
  const log = { level: 'silent' } as const
  await using node = await createNode({ preset: 'test', dataDir, log, mcp: { enabled: false } })
  const off = coded('NODE_SECTION_OFF')
  await assert.rejects(node.tools.find({}), off)
  await assert.rejects(node.tools.call('add', {}), off)
  await assert.rejects(node.services.unexpose('x'), off)
  assert.throws(() => node.catalog, off)
  assert.deepEqual([node.services.list(), node.calls, node.served], [[], 0, 0])
  assert.equal((await node.dht.get(`/data/${node.peerId}/x`)).value, null)
})

test('peers() lists each peer once, with every connection', async () => {
  await using near = await starts()
  const far = await mkdtemp(join(tmpdir(), 'p2p-far-'))
  const options = { preset: 'test', dataDir: far, log: { level: 'silent' } } as const
  await using other = await createNode(options)
  const [address = ''] = other.addresses
  assert.equal(await near.connect(address), other.peerId)
  const [peer, ...more] = await near.peers()
  assert.deepEqual([peer?.peer, peer?.connections.length, more], [other.peerId, 1, []])
  assert.ok((await near.ping(other.peerId)) >= 0)
  assert.equal(near.status().peers, 1)
  await near.disconnect(other.peerId)
  assert.deepEqual(await near.peers(), [])
  await other.stop()
  await rm(far, { recursive: true })
})

test('a stopped node says so, whatever it is asked', async () => {
  const node = await starts()
  const exposed = await node.expose('calc', [tool('one', { input: z.object({}) }, () => 1)])
  await node.stop()
  const stopped = coded('NODE_STOPPED')
  await assert.rejects(node.expose('more', []), stopped)
  await assert.rejects(node.registerMcpService('more', []), stopped)
  await assert.rejects(
    node.tool('more', {}, () => 1),
    stopped,
  )
  await assert.rejects(node.tools.find({}), stopped)
  await assert.rejects(node.tools.call('one', {}), stopped)
  await assert.rejects(node.callPeer(node.peerId, 'one'), stopped)
  await assert.rejects(node.publish('t', 1), stopped)
  assert.throws(() => node.subscribe('t'), stopped)
  assert.throws(() => node.topic('t', String), stopped)
  await assert.rejects(node.dht.put('/data/x/y', utf8('x')), stopped)
  await assert.rejects(node.dht.get('/data/x/y'), stopped)
  await assert.rejects(node.connect('/ip4/127.0.0.1/tcp/1'), stopped)
  await assert.rejects(node.ping(node.peerId), stopped)
  await exposed.withdraw()
  assert.deepEqual([node.ethAddress, node.status().health.status], [null, 'failing'])
})

test('tools of the program are called here, listed for its assistant, and withdrawn', async () => {
  await using node = await starts({ mcp: { availableTools: [] } })
  const input = z.object({ a: z.number(), b: z.number() })
  const add = tool('add', { input }, ({ a, b }, { caller }) => ({ sum: a + b, caller }))
  {
    await using _ = await node.expose('calc', [add])
    const { structuredContent, peer } = await node.tools.call('add', { a: 2, b: 40 })
    assert.deepEqual([structuredContent, peer], [{ sum: 42, caller: null }, node.peerId])
    const own = await node.callPeer(node.peerId, 'add', { a: 1, b: 1 })
    assert.deepEqual(own.structuredContent, { sum: 2, caller: null })
    assert.deepEqual(
      (await node.catalog.list({})).map(({ name }) => name),
      ['calc_add'],
    )
    await assert.rejects(node.expose('calc', [add]), coded('MCP_SERVICE_EXISTS'))
  }
  {
    await using one = await node.tool('add_one', input.pick({ a: true }), ({ a }) => a + 1)
    const { content } = await node.tools.call('add_one', { a: 41 }, { service: one.name })
    assert.deepEqual([one.name, content], ['add-one', [{ type: 'text', text: '42' }]])
  }
  assert.deepEqual(node.services.list(), [])
  await assert.rejects(node.callPeer('nobody', 'add'), coded('IDENTITY_PEER_ID_INVALID'))
})

test('topics can be off, and are then refused by name', async () => {
  await using node = await starts({ pubsub: { enabled: false } })
  await assert.rejects(node.publish('t', 1), coded('NODE_SECTION_OFF'))
  assert.throws(() => node.subscribe('t'), coded('NODE_SECTION_OFF'))
})

test('a node that is started already is not started twice, and one that is stopped not at all', async () => {
  const node = await starts()
  await node.start()
  assert.equal(node.health().ready, true)
  await node.stop()
  await assert.rejects(node.start(), coded('NODE_STOPPED'))
})

test('a folder has one node, also when two are made at once in one process', async () => {
  const both = await Promise.allSettled([starts(), starts()])
  const up = both.filter((one) => one.status === 'fulfilled').map(({ value }) => value)
  for (const node of up) await node.stop()
  const [refused, ...more] = both.filter((one) => one.status === 'rejected')
  assert.ok(hasCode(refused?.reason, 'NODE_ALREADY_RUNNING'))
  assert.deepEqual([up.length, more], [1, []])
})

test('what cannot be sent is refused before it is, and never called an unknown outcome', async () => {
  await using node = await starts()
  const invalid = coded('NODE_ARGUMENT_INVALID')
  await assert.rejects(node.tools.call('x', { n: 1n as never }), invalid)
  await assert.rejects(node.tools.call('x', {}, { timeoutMs: Number.POSITIVE_INFINITY }), invalid)
  await assert.rejects(node.callPeer(node.peerId, 'x', [] as never), invalid)
  await assert.rejects(node.dht.put(`/data/${node.peerId}/x`, 'text' as never), invalid)
})

test('a private group has topics only under a network name of its own', async () => {
  const group = { preset: 'private', bootstrap: { mdns: false } } as const
  const net = { listen: ['/ip4/127.0.0.1/tcp/0'] }
  {
    await using node = await starts({ ...group, net })
    await assert.rejects(node.publish('t', 1), coded('NODE_SECTION_OFF'))
  }
  const on = { ...group, net, pubsub: { enabled: true } }
  assert.throws(() => resolveOptions(on, {}), /a network name of the group's own/)
  await using node = await starts({ ...on, network: 'ours' })
  assert.equal((await node.publish('t', 1)).state, 'nobody-listens')
})
