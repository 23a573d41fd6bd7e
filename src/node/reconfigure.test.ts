import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import type { LogLevels } from '../base/index.ts'
import { resolveOptions } from './load-config.ts'
import { AT_ONCE, type Changes, reconfigure } from './reconfigure.ts'
import { keys } from './toml-map.ts'

function setup(options: Parameters<typeof resolveOptions>[0] = {}) {
  const config = resolveOptions({ preset: 'test', ...options }, { P2P_DATA: '/data' })
  const told: { access: unknown[]; levels: LogLevels[] } = { access: [], levels: [] }
  const change = (changes: Changes) => {
    return reconfigure(config, changes, {
      policy: { reconfigure: (access) => void told.access.push({ ...access }) },
      log: { setLevels: (levels) => void told.levels.push(levels) },
    })
  }
  return { config, change, told }
}

test('reconfigure() applies what is safe in the object that the rooms hold', () => {
  const { config, change } = setup()
  const { mcp } = config
  const done = change({ 'mcp.request_timeout': 45, 'dht.alpha': 3 })
  assert.deepEqual(done, { now: ['dht.alpha', 'mcp.request_timeout'], restart: [] })
  assert.equal(mcp.requestTimeoutMs, 45_000)
  assert.equal(config.dht.alpha, 3)
})

test('reconfigure() names what needs a restart and leaves it as it is', () => {
  const { config, change } = setup()
  const done = change({ 'dht.k': 10, 'network.listen_addresses': ['/ip4/127.0.0.1/tcp/1'] })
  assert.deepEqual(done, { now: [], restart: ['network.listen_addresses', 'dht.k'] })
  assert.equal(config.dht.k, 20)
})

test('reconfigure() tells the rooms that keep something made from their knobs', () => {
  const { change, told } = setup({ log: { modules: { net: 'warn' } } })
  change({ 'security.rate_limit_per_peer': 7, 'log.modules.dht': 'debug' })
  assert.equal((told.access[0] as { ratePerPeer: number }).ratePerPeer, 7)
  assert.deepEqual(told.levels, [{ level: 'info', modules: { net: 'warn', dht: 'debug' } }])
  change({ 'log.modules.net': null })
  assert.deepEqual(told.levels[1]?.modules, { dht: 'debug' })
  change({ 'dht.alpha': 3 })
  assert.equal(told.access.length + told.levels.length, 3)
})

test('reconfigure() takes null as what the preset says', () => {
  const { config, change } = setup({ mcp: { attemptsMax: 9 } })
  assert.deepEqual(change({ 'mcp.attempts_max': null }).now, ['mcp.attempts_max'])
  assert.equal(config.mcp.attemptsMax, 3)
  assert.deepEqual(change({ 'network.preset': 'private' }).restart.includes('network.preset'), true)
})

test('reconfigure() refuses all when one is wrong, and changes nothing', () => {
  const { config, change } = setup()
  const before = structuredClone(config)
  const wrong: [Changes, string][] = [
    [{ 'mcp.attempts_max': 4, 'mcp.request_timeout': 0 }, 'NODE_CONFIG_VALUE_INVALID'],
    [{ 'mcp.attempts_max': 4, 'mcp.no_such': 1 }, 'NODE_CONFIG_KEY_UNKNOWN'],
    [{ 'mcp.attempts_max': 4, 'mcp.no_such': null }, 'NODE_CONFIG_KEY_UNKNOWN'],
    [{ 'mcp.attempts_max': '4' }, 'NODE_CONFIG_VALUE_INVALID'],
    [{ 'control.api_address': '0.0.0.0:1' }, 'NODE_CONFIG_UNSAFE'],
    [{ 'tunneling.enabled': true }, 'NODE_NOT_BUILT_YET'],
    [{ 'bootstrap.nodes': ['here'] }, 'NODE_CONFIG_VALUE_INVALID'],
    [{ 'log.modules.net': 'loud' }, 'NODE_CONFIG_VALUE_INVALID'],
  ]
  for (const [changes, code] of wrong) assert.throws(() => change(changes), coded(code))
  assert.deepEqual(config, before)
})

test('what applies at once are knobs that exist', () => {
  const codes = new Set([...keys.values()].map(({ code }) => code))
  assert.deepEqual(
    [...AT_ONCE].filter((code) => !codes.has(code)),
    [],
  )
})
