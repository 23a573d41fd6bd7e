import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { hasCode } from '../base/index.ts'
import { resolveOptions } from './load-config.ts'
import { P2PNode } from './node-builder.ts'
import {
  McpConfig,
  NetworkConfig,
  P2PConfig,
  SecurityConfig,
  TunnelingConfig,
} from './p2p-config.ts'

test('the documents’ builder gives options that createNode takes', () => {
  const built = P2PConfig.builder()
    .network(NetworkConfig.listenOn('/ip6/::1/tcp/0'))
    .tunneling(TunnelingConfig.auto())
    .mcp(McpConfig.default())
    .security(SecurityConfig.strict())
    .build()
  const { net, mcp } = resolveOptions(built, {})
  assert.deepEqual([net.listen, mcp.enabled], [['/ip6/::1/tcp/0'], true])
  assert.equal(net.connectionsPerPeerMax, 2, 'two parts of one section are both there')
})

test('a later part wins over an earlier one, and a builder is not changed by what follows', () => {
  const first = P2PConfig.builder().mcp(McpConfig.off())
  assert.equal(first.mcp(McpConfig.default()).build().mcp?.enabled, true)
  assert.equal(first.build().mcp?.enabled, false)
})

test('strict security is stricter than the default in every knob that it sets', () => {
  const strict = resolveOptions(SecurityConfig.strict(), {})
  const usual = resolveOptions(SecurityConfig.default(), {})
  const { access, net, mcp } = SecurityConfig.strict()
  for (const key of Object.keys(access ?? {}) as ['ratePerPeer']) {
    assert.ok(strict.access[key] < usual.access[key], key)
  }
  for (const key of Object.keys(net ?? {}) as ['pendingPerHostMax']) {
    assert.ok(strict.net[key] < usual.net[key], key)
  }
  assert.ok(mcp?.concurrentMax !== undefined && mcp.concurrentMax < usual.mcp.concurrentMax)
  assert.equal(strict.bootstrap.mdns, false)
  assert.equal(strict.access.rateGranted, usual.access.rateGranted)
})

test('tunnels that are not built are refused by the room that brings them; native is not', () => {
  assert.deepEqual(TunnelingConfig.auto(), {})
  assert.deepEqual(TunnelingConfig.preferring('native'), {})
  const missing = (error: unknown) =>
    hasCode(error, 'NODE_NOT_BUILT_YET') && /teredo.*room "tunnel"/.test(error.message)
  assert.throws(() => TunnelingConfig.required('native', 'teredo'), missing)
  assert.throws(() => TunnelingConfig.preferring('teredo'), missing)
  assert.throws(() => TunnelingConfig.required(), coded('NODE_NOT_BUILT_YET'))
})

test('the node’s builder collects addresses and lays options over each other', () => {
  const builder = P2PNode.builder()
    .withMcpServer()
    .listenOn('/ip4/127.0.0.1/tcp/0')
    .listenOn('/ip6/::1/tcp/0')
    .bootstrap('/ip4/192.0.2.1/tcp/9000')
    .withConfig({ preset: 'test', net: { dialsMax: 4 } })
    .withDataDir('/tmp/nowhere')
  assert.deepEqual(builder.options(), {
    preset: 'test',
    dataDir: '/tmp/nowhere',
    mcp: { enabled: true },
    net: { listen: ['/ip4/127.0.0.1/tcp/0', '/ip6/::1/tcp/0'], dialsMax: 4 },
    bootstrap: { nodes: ['/ip4/192.0.2.1/tcp/9000'] },
  })
})

test('the node’s builder refuses an address at once', () => {
  const builder = P2PNode.builder()
  assert.throws(() => builder.listenOn('/dns/here/tcp/1'), coded('NET_ADDRESS_INVALID'))
  assert.throws(() => builder.bootstrap('nowhere'), coded('NET_ADDRESS_INVALID'))
})
