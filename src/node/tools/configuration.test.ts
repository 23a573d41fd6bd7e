import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../../test/support/expect.ts'
import { nodeConfig } from '../config.ts'
import { type Changes, reconfigure } from '../reconfigure.ts'
import { Configuration } from './configuration.ts'

/** A node's configuration and a file of keys; writing `broken` fails. */
function setup(broken = '') {
  const config = nodeConfig.parse({ preset: 'test' })
  const file = new Map<string, string>()
  const rooms = { policy: { reconfigure: () => undefined }, log: { setLevels: () => undefined } }
  const configuration = new Configuration({
    config,
    reconfigure: (changes: Changes) => reconfigure(config, changes, rooms),
    persist: async (key, text) => {
      if (key === broken) throw new Error('the disk is full')
      const previous = file.get(key) ?? null
      if (text === undefined) file.delete(key)
      else file.set(key, text)
      return { file: 'config.toml', previous }
    },
  })
  return { config, configuration, file }
}

test('changes are taken back one by one, newest first', async () => {
  const { config, configuration } = setup()
  await configuration.change({ 'mcp.attempts_max': 5 }, { persist: false })
  const second = await configuration.change({ 'mcp.attempts_max': 7 }, { persist: false })
  assert.deepEqual(second.previous, { 'mcp.attempts_max': 5 })
  await configuration.revert()
  assert.equal(config.mcp.attemptsMax, 5)
  await configuration.revert()
  assert.equal(config.mcp.attemptsMax, 3)
  await assert.rejects(configuration.revert(), coded('NODE_NOTHING_TO_REVERT'))
})

test('one wrong key refuses all, and leaves nothing to take back', async () => {
  const { config, configuration } = setup()
  const wrong = { 'mcp.attempts_max': 5, 'mcp.attempt_timeout': -1 }
  await assert.rejects(
    configuration.change(wrong, { persist: true }),
    coded('NODE_CONFIG_VALUE_INVALID'),
  )
  await assert.rejects(
    configuration.change({ 'mcp.atempts_max': 5 }, { persist: false }),
    coded('NODE_CONFIG_KEY_UNKNOWN'),
  )
  assert.equal(config.mcp.attemptsMax, 3)
  assert.equal(configuration.revertible, 0)
})

test('what is kept in the file is taken back there as well', async () => {
  const { configuration, file } = setup()
  file.set('mcp.attempts_max', '4')
  await configuration.change(
    { 'mcp.attempts_max': 5, 'log.modules.net': 'debug' },
    { persist: true },
  )
  assert.deepEqual(
    [...file.entries()],
    [
      ['mcp.attempts_max', '5'],
      ['log.modules.net', 'debug'],
    ],
  )
  await configuration.revert()
  assert.deepEqual([...file.entries()], [['mcp.attempts_max', '4']])
})

test('a file that cannot be written changes neither the node nor itself', async () => {
  const { config, configuration, file } = setup('mcp.attempt_timeout')
  const changes = { 'mcp.attempts_max': 5, 'mcp.attempt_timeout': 20 }
  await assert.rejects(configuration.change(changes, { persist: true }), /disk is full/)
  assert.equal(file.size, 0)
  assert.equal(config.mcp.attemptsMax, 3)
  assert.equal(configuration.revertible, 0)
})

test('entries of tables come back, and what cannot be typed is not written', async () => {
  const { config, configuration } = setup()
  await configuration.change({ 'log.modules.net': 'debug' }, { persist: false })
  assert.deepEqual(config.log.modules, { net: 'debug' })
  await configuration.revert()
  assert.deepEqual(config.log.modules, {})
  const comma = { 'bootstrap.wanted': ['a,b'] }
  await assert.rejects(configuration.change(comma, { persist: true }), coded('NODE_NOT_PERSISTED'))
})
