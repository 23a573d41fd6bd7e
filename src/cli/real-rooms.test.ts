import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { realRooms } from './real-rooms.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'p2p-rooms-'))
})
afterEach(() => rm(home, { recursive: true }))

test('the usual data folder is nobody’s choice', async () => {
  assert.ok(isAbsolute(await realRooms.usualDataDir()))
})

test('a client for a folder without a node says how to start one', async () => {
  await assert.rejects(realRooms.openClient(home, 'bin/p2p start'), (error: Error) => {
    assert.match(error.message, /bin\/p2p start$/)
    return coded('CONTROL_NODE_UNREACHABLE')(error)
  })
})

test('a configuration is loaded with where it is from, and a bad one starts nothing', async () => {
  const none = await realRooms.loadConfig({ flags: { data: home }, env: { P2P_ODD: '1' } })
  assert.equal(none.file, undefined)
  assert.match(none.toml, /^\[network\]\npreset = "public"/m)
  assert.match(String(none.notices), /P2P_ODD/)
  await writeFile(join(home, 'config.toml'), '[dht]\n')
  const options = { flags: { data: home }, env: {}, version: '1' }
  const loaded = await realRooms.loadConfig(options)
  assert.equal(loaded.file, join(home, 'config.toml'))
  await writeFile(join(home, 'config.toml'), '[dht]\nrecord_tll = 1\n')
  await assert.rejects(realRooms.startDaemon(options), coded('NODE_CONFIG_KEY_UNKNOWN'))
})

test('whether QUIC works is known without a node', async () => {
  assert.match((await realRooms.quic()).state, /^(?:active|unavailable)$/)
})
