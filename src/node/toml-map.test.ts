import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { knobs } from './config.ts'
import { nearestKey } from './nearest-key.ts'
import { fixedKeys, keys, toCode, tomlNames, toToml } from './toml-map.ts'

test('every knob has one key, every key one knob, and no two share a name', () => {
  assert.equal(keys.size, knobs().length)
  assert.deepEqual([...keys.values()].map(({ code }) => code).sort(), knobPaths().sort())
  const names = tomlNames()
  assert.equal(new Set(names).size, names.length)
  assert.equal(names.length, keys.size + fixedKeys.size)
  for (const name of names) assert.match(name, /^[a-z]+\.[a-z0-9_]+$/)
})

test('every key of the specification’s example is there', () => {
  const example = `network.peer_id network.listen_addresses bootstrap.nodes dht.protocol
    dht.replication_factor dht.record_ttl dht.provider_ttl tunneling.enabled
    tunneling.preferred_protocols tunneling.fallback_cascade tunneling.probe_interval mcp.enabled
    mcp.server_address mcp.max_concurrent_requests mcp.request_timeout mcp.available_tools
    security.enable_encryption security.require_authentication security.rate_limit_per_peer
    security.total_rate_limit resources.max_connections resources.max_memory_mb
    resources.bandwidth_limit_mbps resources.connection_timeout`
  for (const name of example.split(/\s+/)) assert.ok(tomlNames().includes(name), name)
})

test('a value survives the way to the code and back, and the other way round', () => {
  const all = [...keys.values()]
  fc.assert(
    fc.property(fc.constantFrom(...all), fc.integer({ min: 0, max: 1e9 }), (key, number) => {
      assert.equal(toCode(key, toToml(key, number)), number)
      assert.equal(toToml(key, toCode(key, number)), number)
    }),
  )
  for (const key of all) {
    for (const value of [true, 'text', ['a', 'b']]) {
      assert.deepEqual(toToml(key, toCode(key, value)), value)
    }
  }
})

test('milliseconds of the code are seconds of the file', () => {
  const key = keys.get('resources.connection_timeout')
  assert.ok(key)
  assert.equal(key.code, 'net.connectionTimeoutMs')
  assert.equal(toCode(key, 2.5), 2_500)
  assert.equal(toToml(key, 2_500), 2.5)
})

test('nearestKey() finds the fewest typing errors', () => {
  const names = ['dht.record_ttl', 'dht.provider_ttl', 'mcp.enabled', 'network.mdns']
  assert.equal(nearestKey('dht.recrd_ttl', names), 'dht.record_ttl')
  assert.equal(nearestKey('bootstrap.mdns', names), 'network.mdns')
  assert.equal(nearestKey('dht.provide_ttl', names), 'dht.provider_ttl')
  assert.equal(nearestKey('mpc.enabled', names), 'mcp.enabled')
})

function knobPaths(): string[] {
  return knobs().map(({ path }) => path)
}
