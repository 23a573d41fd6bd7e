import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { openClient } from './client.ts'
import { type Daemon, startDaemon } from './daemon.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'p2p-daemon-'))
})
afterEach(() => rm(home, { recursive: true }))

/** Nobody on the link is to hear of these nodes. */
const ENV = { P2P_NETWORK_MDNS: 'false' }

function starts(flags: Parameters<typeof startDaemon>[0]['flags'], env = {}): Promise<Daemon> {
  return startDaemon({
    flags: { data: home, ...flags },
    env: { ...ENV, ...env },
    version: '1.2.3',
    writeLog: () => undefined,
  })
}

/** A listener on a port of its own: what somebody else holds, or proof that nobody does. */
async function holding(port = 0) {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host: '127.0.0.1', exclusive: true }, resolve)
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const close = async () => {
    await new Promise((resolve) => server.close(resolve))
  }
  return { port: address.port, [Symbol.asyncDispose]: close }
}

async function freePort(): Promise<number> {
  await using held = await holding()
  return held.port
}

test('a daemon says in node.json what it says itself, and answers there', async (t) => {
  const daemon = await starts({ preset: 'test' })
  t.after(() => daemon.stop())
  const { api, mcp, listen, node, tokenFile } = daemon
  const written = JSON.parse(await readFile(join(home, 'node.json'), 'utf8')) as object
  const { startedAt, ...rest } = written as { startedAt: string }
  assert.deepEqual(rest, { pid: process.pid, peerId: node.peerId, api, mcp, grpc: null, listen })
  assert.ok(Number.isFinite(Date.parse(startedAt)))
  assert.deepEqual([tokenFile, daemon.dataDir], [join(home, 'api.token'), home])
  assert.deepEqual([daemon.calls(), daemon.served(), daemon.notices], [0, 0, []])
  {
    await using client = await openClient(home)
    assert.equal((await client.status()).peerId, node.peerId)
    const tools = (await client.catalogList()).map(({ name }) => name)
    assert.ok(tools.includes('node_query_network'))
    assert.deepEqual(
      tools.filter((name) => !name.startsWith('node_')),
      [],
    )
  }
  const both = [daemon.stop(), daemon.stop()]
  await both[1]
  assert.equal(existsSync(join(home, 'node.json')), false)
  await using _ = await holding(Number(new URL(api).port))
  await both[0]
})

test('a daemon without MCP has no gateway', async () => {
  const daemon = await starts({ preset: 'test' }, { P2P_MCP_ENABLED: 'false' })
  assert.equal(daemon.mcp, null)
  await daemon.stop()
})

test('of two daemons on the default ports the second moves, and says so', async () => {
  const first = await starts({})
  const other = await mkdtemp(join(tmpdir(), 'p2p-second-'))
  const second = await starts({ data: other })
  const notices = second.notices.join('\n')
  for (const kind of [
    /tcp port 9000 is in use, so \d+ was taken/,
    /udp port 9001 is in use, so \d+ was taken/,
    /port 9002 is in use, so http:\S+ was taken; set \[control\] api_address/,
    /port 8545 is in use, so http:\S+ was taken; set \[mcp\] server_address/,
  ]) {
    assert.match(notices, kind)
  }
  const taken = new Set(first.listen.map((address) => address.split('/p2p/')[0]))
  for (const address of second.listen) assert.ok(!taken.has(address.split('/p2p/')[0]), address)
  assert.notEqual(first.api, second.api)
  assert.notEqual(first.mcp, second.mcp)
  await second.stop()
  await first.stop()
  await rm(other, { recursive: true })
})

test('a daemon whose API port is busy leaves nothing behind', async () => {
  await using held = await holding()
  const port = await freePort()
  const listen = [`/ip4/127.0.0.1/tcp/${port}`]
  const refused = starts({ listen, apiPort: held.port, mcpPort: 0 })
  await assert.rejects(refused, coded('CONTROL_PORT_BUSY'))
  await using _ = await holding(port)
  const again = await starts({ preset: 'test' })
  await again.stop()
})

test('a daemon whose gateway port is busy lets go of its API port', async () => {
  await using held = await holding()
  const apiPort = await freePort()
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const refused = starts({ listen, apiPort, mcpPort: held.port })
  await assert.rejects(refused, coded('CONTROL_PORT_BUSY'))
  await using _ = await holding(apiPort)
})

test('a daemon that cannot say where it is does not run in secret', async () => {
  await mkdir(join(home, 'node.json'))
  const apiPort = await freePort()
  const refused = starts({ preset: 'test', apiPort })
  await assert.rejects(refused, coded('NODE_DATA_UNWRITABLE'))
  await using _ = await holding(apiPort)
  await rm(join(home, 'node.json'), { recursive: true })
  const again = await starts({ preset: 'test' })
  await again.stop()
})
