/** The journey of a tool call between whole nodes, over real QUIC and TCP on loopback. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CodedError, hasCode } from '../../src/base/index.ts'
import { coded } from '../support/expect.ts'
import { addressOf, eventually, fixtureService, type TestNode, testNode } from '../support/nodes.ts'

const found = (from: TestNode, tool: string) =>
  eventually(async () => (await from.node.tools.find({ tool })).at(0))

for (const kind of ['udp', 'tcp'] as const) {
  const transport = kind === 'udp' ? 'quic' : 'tcp'

  test(`a tool is found and called over ${transport}, with an 8 MiB answer in one piece`, async () => {
    await using far = await testNode()
    await using near = await testNode({ bootstrap: { nodes: [addressOf(far, kind)] } })
    await far.node.services.expose(fixtureService('fixture'), { detached: false })
    assert.equal((await found(near, 'add')).peer, far.node.peerId)

    const sum = await near.node.tools.call('add', { a: 2, b: 40 })
    assert.deepEqual(sum.structuredContent, { sum: 42 })
    assert.equal(sum.peer, far.node.peerId)
    assert.deepEqual(
      sum.attempts.map(({ path, code }) => ({ path, code })),
      [{ path: transport, code: 'ok' }],
    )

    const { content } = await near.node.tools.call('big', { mib: 8 })
    const [block] = content as [{ text: string }]
    assert.equal(block.text.length, 8 * 1024 * 1024)
  })
}

test('own tools are called without a network, and a service that is gone is not found', async () => {
  await using alone = await testNode()
  await alone.node.services.expose(fixtureService('fixture'), { detached: false })
  const own = await alone.node.tools.call('add', { a: 1, b: 1 })
  assert.equal(own.attempts.at(0)?.path, 'local')
  await alone.node.services.unexpose('fixture')
  await assert.rejects(alone.node.tools.call('add', { a: 1, b: 1 }), coded('MCP_TOOL_NOT_FOUND'))
})

test('a call ends at its deadline, and says whom it asked', async () => {
  await using far = await testNode()
  await using near = await testNode({
    bootstrap: { nodes: [addressOf(far, 'tcp')] },
    mcp: { requestTimeoutMs: 1_500, attemptTimeoutMs: 20_000 },
  })
  await far.node.services.expose(fixtureService('fixture'), { detached: false })
  await found(near, 'slow')
  // The process that answers may take its time to start; the call after it may not.
  await near.node.tools.call('slow', { ms: 1 }, { timeoutMs: 20_000 })
  const began = performance.now()
  await assert.rejects(near.node.tools.call('slow', { ms: 60_000 }), (error) => {
    assert.ok(hasCode(error, 'MCP_OUTCOME_UNKNOWN', 'MCP_DEADLINE'), String(error))
    return JSON.stringify(error.facts).includes(far.node.peerId)
  })
  assert.ok(performance.now() - began < 10_000)
})

test('a caller may give a call more time than the configuration does', async () => {
  await using far = await testNode()
  await using near = await testNode({
    bootstrap: { nodes: [addressOf(far, 'tcp')] },
    mcp: { requestTimeoutMs: 1_000 },
  })
  await far.node.services.expose(fixtureService('fixture'), { detached: false })
  await found(near, 'slow')
  const slow = await near.node.tools.call('slow', { ms: 1_500 }, { timeoutMs: 20_000 })
  assert.equal(slow.peer, far.node.peerId)
})

test('a call is counted at both ends, and has one id in the log of its node', async () => {
  const log = { level: 'debug' } as const
  await using far = await testNode()
  await using near = await testNode({ log, bootstrap: { nodes: [addressOf(far, 'udp')] } })
  await far.node.services.expose(fixtureService('fixture'), { detached: false })
  await found(near, 'add')
  const [calls, served] = [near.node.calls, far.node.served]
  await near.node.tools.call('add', { a: 1, b: 1 })
  const listed = await near.node.catalog.list()
  const { name } =
    listed.find((tool) => tool.name.startsWith('fixture_add')) ?? assert.fail('it is not listed')
  await near.node.catalog.call(name, { a: 1, b: 1 })
  assert.equal(near.node.calls - calls, 2)
  assert.ok(far.node.served - served >= 2)
  assert.equal(near.node.served, 0)

  interface Line {
    readonly msg: string
    readonly correlationId?: string
  }
  const lines = near.logs.map((line) => JSON.parse(line) as Line)
  const ids = lines.filter(({ msg }) => msg === 'tool called').map((line) => line.correlationId)
  assert.equal(new Set(ids).size, 2)
  for (const id of ids) assert.match(String(id), /^[0-9a-f]{32}$/)
})

test('strangers are served within their quota and refused beyond it', async () => {
  await using far = await testNode({ access: { ratePerPeer: 20, burstSeconds: 1 } })
  await using near = await testNode({ bootstrap: { nodes: [addressOf(far, 'tcp')] } })
  await far.node.services.expose(fixtureService('fixture'), { detached: false })
  await found(near, 'add')
  const calls = Array.from({ length: 60 }, () => near.node.tools.call('add', { a: 1, b: 1 }))
  const ended = await Promise.allSettled(calls)
  const refused = ended.filter((one) => one.status === 'rejected')
  assert.ok(refused.length > 0 && refused.length < 60, `${refused.length} of 60 refused`)
  for (const { reason } of refused) {
    assert.match(JSON.stringify((reason as CodedError).facts), /ACCESS_QUOTA/)
  }
})

test('a private network without a DHT finds the tools of connected peers', async () => {
  const options = { preset: 'test', dht: { enabled: false } } as const
  await using far = await testNode(options)
  await using near = await testNode(options)
  await near.node.connect(addressOf(far, 'udp'))
  await far.node.services.expose(fixtureService('fixture'), { detached: false })
  assert.equal((await found(near, 'add')).peer, far.node.peerId)
  assert.deepEqual(await near.node.tools.find({ service: 'none' }), [])
  const sum = await near.node.tools.call('add', { a: 1, b: 2 })
  assert.deepEqual(sum.structuredContent, { sum: 3 })
  const put = near.node.dht.put(`/data/${near.node.peerId}/x`, new Uint8Array(1))
  await assert.rejects(put, coded('NODE_SECTION_OFF'))
})

test('peers on different networks do not meet', async () => {
  await using one = await testNode({ network: 'one' })
  await using two = await testNode({ network: 'two', mcp: { availableTools: [] } })
  await one.node.services.expose(fixtureService('fixture'), { detached: false })
  await two.node.connect(addressOf(one, 'tcp'))
  assert.deepEqual(await two.node.tools.find({}), [])
})

test('one call has one correlation id in the logs of who makes it and of who serves it', async () => {
  const log = { level: 'debug', modules: { libp2p: 'silent' } } as const
  await using far = await testNode({ log })
  await using near = await testNode({ log, bootstrap: { nodes: [addressOf(far, 'tcp')] } })
  await far.node.services.expose(fixtureService('fixture'), { detached: false })
  await found(near, 'add')
  await near.node.tools.call('add', { a: 2, b: 40 })
  const idsOf = (logs: readonly string[], method: RegExp) =>
    logs
      .map((line) => JSON.parse(line) as { msg: string; method?: string; correlationId?: string })
      .filter(({ msg, method: called }) => method.test(`${msg} ${called}`))
      .flatMap(({ correlationId }) => correlationId ?? [])
  const served = idsOf(far.logs, /^request of a peer tools\/call$/)
  assert.equal(served.length, 1)
  const made = near.logs.filter((line) => line.includes(`"correlationId":"${served[0]}"`))
  assert.ok(made.length > 0, near.logs.join(''))
})
