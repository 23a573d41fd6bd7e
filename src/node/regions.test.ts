import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeConfig } from './config.ts'
import { overPreset } from './presets.ts'
import { firstPeers, REGION_ADDRESSES_MAX, REGIONS } from './regions.ts'

const at = (n: number) => `/ip4/192.0.2.${n}/tcp/9000`

test('firstPeers() has what is named alone and what each region names, each once', () => {
  const regions = Object.fromEntries(REGIONS.map((region, i) => [region, [at(i), at(9)]]))
  const { bootstrap } = nodeConfig.parse({ bootstrap: { nodes: [at(8)], ...regions } })
  assert.deepEqual(firstPeers(bootstrap), [8, 0, 9, 1, 2, 3].map(at))
})

test('no region has an address that nobody named, and each has a bound', () => {
  assert.deepEqual(firstPeers(nodeConfig.parse({}).bootstrap), [])
  const many = Array.from({ length: REGION_ADDRESSES_MAX + 1 }, (_, i) => at(i))
  for (const region of REGIONS) {
    assert.equal(nodeConfig.safeParse({ bootstrap: { [region]: many } }).success, false)
  }
})

test('a first peer serves the DHT and relays, with more room than others have', () => {
  const [first, other] = (['bootstrap', 'public'] as const).map((preset) =>
    nodeConfig.parse(overPreset({ preset })),
  )
  assert.ok(first !== undefined && other !== undefined)
  assert.equal(first.dht.mode, 'server')
  assert.equal(first.net.relayServer, 'always')
  assert.equal(first.bootstrap.keepAll, true)
  assert.ok(first.dht.bucketPeersMax > other.dht.bucketPeersMax)
  assert.ok(first.net.connectionsMax > other.net.connectionsMax)
})

test('a node of an agent asks the DHT and serves it not', () => {
  assert.equal(nodeConfig.parse(overPreset({ preset: 'agent' })).dht.mode, 'client')
})
