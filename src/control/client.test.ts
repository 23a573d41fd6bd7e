import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startControl, TOKEN } from '../../test/support/control.ts'
import { coded } from '../../test/support/expect.ts'
import { AGENT_INFO, HEALTHY, PEER, SERVED_STATUS } from '../../test/support/served-node.ts'
import { CodedError, correlationId, defineErrors } from '../base/index.ts'
import { ControlClient, openClient } from './client.ts'

const START = 'bin/p2p --data /data start'
const clientFor = (url: string, token = TOKEN) =>
  new ControlClient({ url, token, name: '/data', start: START })

test('every method of the client asks its operation and gives back the answer', async () => {
  await using control = await startControl()
  await using client = clientFor(control.api)
  const { activity, ...status } = await client.status()
  assert.deepEqual({ ...status, activity: { ...activity, memoryBytes: 0 } }, SERVED_STATUS)
  assert.ok(activity.memoryBytes > 10_000_000)
  assert.deepEqual(await client.health(), HEALTHY)
  assert.match(await client.config(), /name = "main"/)
  assert.equal((await client.peers())[0]?.peer, PEER)
  assert.equal(await client.connect('/ip4/127.0.0.1/tcp/1'), PEER)
  assert.equal(await client.ping(PEER), 1.5)
  await client.disconnect(PEER)
  assert.equal((await client.tools({ tool: 'add' }))[0]?.service, 'calc')
  assert.equal((await client.tools()).length, 1)
  const called = await client.call({ tool: 'add', args: { a: 1 }, peer: PEER, timeoutMs: 1_000 })
  assert.equal(called.attempts[0]?.code, 'ok')
  assert.equal((await client.catalogList())[0]?.name, 'calc_add')
  assert.equal((await client.catalogCall('calc_add', {})).isError, true)
  const spec = { name: 'calc', source: { kind: 'http', url: 'http://127.0.0.1:1/' } } as const
  assert.equal((await client.expose(spec)).detached, true)
  assert.equal((await client.services()).length, 1)
  await client.unexpose('calc')
  assert.equal((await client.dhtPut('/word/a', 'hi')).wanted, 20)
  assert.deepEqual((await client.dhtGet('/word/ä b')).value, 'hi')
  assert.equal(control.asked.findLast(({ name }) => name === 'dht.get')?.args[0], '/word/ä b')
  assert.equal((await client.nameClaim('alice')).wanted, 20)
  assert.deepEqual(await client.agents(), [AGENT_INFO])
  const { address, peer: bound, preKeys } = await client.agentFind(AGENT_INFO.address)
  assert.deepEqual([address, bound, preKeys], [AGENT_INFO.address, PEER, 0])
  assert.deepEqual((await client.nameFind('alice')).claims, [{ peer: PEER }])
  assert.equal(control.asked.findLast(({ name }) => name === 'dht.findName')?.args[0], 'alice')
})

const TestError = defineErrors('TEST', {
  BUSY: { says: (f: { waiting: number }) => `Cannot: ${f.waiting} wait`, retryable: true },
})

test('an error of the node is the same error at the client', async () => {
  const raised = TestError.BUSY({ waiting: 7 })
  await using control = await startControl({ over: { connect: () => Promise.reject(raised) } })
  await using client = clientFor(control.api)
  await assert.rejects(client.connect('x'), (error) => {
    assert.ok(error instanceof CodedError)
    assert.equal(error.code, 'TEST_BUSY')
    assert.equal(error.message, 'Cannot: 7 wait')
    assert.deepEqual(error.facts, { waiting: 7 })
    assert.equal(error.retryable, true)
    return true
  })
})

test('a node that is not there is unreachable, with its folder and the remedy', async () => {
  const control = await startControl()
  await control.server.stop()
  await using client = clientFor(control.api)
  await assert.rejects(client.status(), (error: Error) => {
    assert.match(error.message, /\/data.*: bin\/p2p --data \/data start$/)
    return coded('CONTROL_NODE_UNREACHABLE')(error)
  })
})

test('whatever else answers at the port is not taken for a node', async () => {
  for (const [status, text] of [
    [200, '<html>'],
    [200, '{}'],
    [404, 'not found'],
    [500, '{"error":"x"}'],
  ] as const) {
    const other = createServer((_request, response) => {
      response.writeHead(status)
      response.end(text)
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const address = other.address()
    assert.ok(typeof address === 'object' && address !== null)
    await using client = clientFor(`http://127.0.0.1:${address.port}`)
    await assert.rejects(client.status(), coded('CONTROL_NODE_UNREACHABLE'))
    other.closeAllConnections()
    other.close()
  }
})

test('a signal ends a request with its own reason', async () => {
  const reason = TestError.BUSY({ waiting: 0 })
  const { promise: begun, resolve: begin } = Promise.withResolvers<string | undefined>()
  await using control = await startControl({
    over: {
      connect: () => {
        begin(correlationId())
        return new Promise(() => undefined)
      },
    },
  })
  await using client = clientFor(control.api)
  const leave = new AbortController()
  const request = client.connect('x', { signal: leave.signal })
  assert.match(String(await begun), /^[0-9a-f]{32}$/)
  leave.abort(reason)
  await assert.rejects(request, coded('TEST_BUSY'))
})

test('openClient() reads where the node of a folder answers, and its token', async () => {
  await using control = await startControl()
  const folder = await mkdtemp(join(tmpdir(), 'p2p-client-'))
  try {
    await assert.rejects(openClient(folder), (error: Error) => {
      assert.ok(error.message.endsWith(`Start it with: p2p start --data ${folder}`))
      return coded('CONTROL_NODE_UNREACHABLE')(error)
    })
    const run = { pid: 1, peerId: PEER, api: control.api, mcp: null, grpc: null, listen: [] }
    const whole = JSON.stringify({ ...run, startedAt: '2026-01-01T00:00:00.000Z' })
    await writeFile(join(folder, 'node.json'), whole)
    await assert.rejects(openClient(folder), coded('CONTROL_NODE_UNREACHABLE'))
    for (const broken of ['', 'two\nlines', 'schlüssel']) {
      await writeFile(join(folder, 'api.token'), broken)
      await assert.rejects(openClient(folder), /api\.token holds no token/)
    }
    await writeFile(join(folder, 'api.token'), `${TOKEN}\n`)
    await using client = await openClient(folder)
    assert.equal((await client.status()).peerId, PEER)
    for (const broken of ['{', '{}', whole.replace('http:', 'https:')]) {
      await writeFile(join(folder, 'node.json'), broken)
      await assert.rejects(openClient(folder), coded('CONTROL_NODE_UNREACHABLE'))
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
