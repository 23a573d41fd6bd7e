/** MCP between two real hosts on loopback, over TCP and over QUIC: tools, large results, a peer lost. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Registry, secureRandom, silentLog, stopAll, systemClock } from '../../src/base/index.ts'
import { InboundStreams, mcpConfig, mcpMetrics, Services, Sessions } from '../../src/mcp/index.ts'
import { coded } from '../support/expect.ts'
import { fixtureSpec, scratch } from '../support/mcp-fixture.ts'
import { openPolicy, testnet } from '../support/testnet.ts'

const TRANSPORTS = {
  memory: undefined,
  TCP: ['/ip4/127.0.0.1/tcp/0'],
  QUIC: ['/ip4/127.0.0.1/udp/0/quic-v1'],
}

/** Two hosts; the second offers the fixture, the first calls it. */
async function pair(listen: readonly string[] | undefined, folder: string) {
  const net = await testnet(2, listen === undefined ? {} : { listen })
  const [near, far] = net.hosts
  if (near === undefined || far === undefined) return assert.fail('two hosts were asked for')
  const registry = new Registry()
  const shared = {
    clock: systemClock,
    random: secureRandom,
    log: silentLog,
    metrics: mcpMetrics(registry),
    network: 'test',
    version: '0',
    policy: openPolicy,
  }
  const config = mcpConfig.parse({})
  const services = new Services({ ...shared, path: join(folder, 'services.json') }, config)
  const inbound = new InboundStreams({ ...shared, host: far, services }, config)
  const sessions = new Sessions({ ...shared, host: near }, config)
  const up = [services, inbound, sessions]
  for (const service of up) await service.start()
  await services.expose(fixtureSpec('fix'), { detached: false })
  const stop = async () => {
    await stopAll(up)
    await net[Symbol.asyncDispose]()
  }
  const call = (tool: string, args = {}) =>
    sessions.callTool(far.self, { service: 'fix', tool, args })
  return { call, far, registry, [Symbol.asyncDispose]: stop }
}

for (const [name, listen] of Object.entries(TRANSPORTS)) {
  test(`a tool answers over ${name}, 8 MiB too`, async () => {
    await using folder = await scratch()
    await using net = await pair(listen, folder.path)
    assert.deepEqual((await net.call('add', { a: 2, b: 40 })).structuredContent, { sum: 42 })
    const { content } = await net.call('big', { mib: 8 })
    assert.equal((content[0] as { text: string }).text.length, 8 * 1024 * 1024)
  })

  test(`a hundred calls at once are answered over ${name}`, async () => {
    await using folder = await scratch()
    await using net = await pair(listen, folder.path)
    await net.call('add', { a: 0, b: 0 })
    const sums = await Promise.all(
      Array.from({ length: 100 }, (_, a) => net.call('add', { a, b: 1 })),
    )
    assert.deepEqual(
      sums.map(({ structuredContent }) => structuredContent?.sum),
      Array.from({ length: 100 }, (_, a) => a + 1),
    )
    const { body } = await net.registry.prometheusText()
    assert.match(body, /mcp_requests_total\{direction="outbound",outcome="ok"\} 101/)
    assert.match(body, /mcp_requests_total\{direction="inbound",outcome="ok"\} 10[23]/)
  })

  test(`a peer that goes in a call fails it over ${name}`, async () => {
    await using folder = await scratch()
    await using net = await pair(listen, folder.path)
    await net.call('add', { a: 0, b: 0 })
    const call = net.call('slow', { ms: 60_000 })
    setTimeout(() => void net.far.stop(), 100)
    await assert.rejects(call, coded('MCP_PEER_FAILED'))
  })
}
