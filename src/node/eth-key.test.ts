import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { secureRandom } from '../base/index.ts'
import { ethSignerOf } from './eth-key.ts'
import { resolveOptions } from './load-config.ts'

const dataDir = await mkdtemp(join(tmpdir(), 'p2p-eth-'))
after(() => rm(dataDir, { recursive: true, force: true }))

const KEY = '4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'
const OWNER = '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23'
const configWith = (agent: object) => resolveOptions({ preset: 'test', agent, dataDir }, {})

test('a node that speaks for no address reads no key and makes none', async () => {
  const environment = { PRIVATE_KEY: KEY }
  assert.equal(await ethSignerOf(configWith({}), secureRandom, environment), null)
  assert.deepEqual(await readdir(dataDir), [])
})

test('the key is the one in the environment, else that in a file, else that in the folder', async () => {
  const on = configWith({ enabled: true })
  const given = await ethSignerOf(on, secureRandom, { PRIVATE_KEY: `0x${KEY}` })
  assert.equal(given?.address, OWNER)
  assert.deepEqual(await readdir(dataDir), [], 'a key that was given is written nowhere')

  const own = await ethSignerOf(on, secureRandom, {})
  assert.notEqual(own?.address, OWNER)
  assert.equal((await ethSignerOf(on, secureRandom, { PRIVATE_KEY: '' }))?.address, own?.address)

  const file = join(dataDir, 'mine')
  await writeFile(file, `${KEY}\n`)
  const from = configWith({ enabled: true, ethKey: `file:${file}` })
  assert.equal((await ethSignerOf(from, secureRandom, {}))?.address, OWNER)
})

test('a key that is none is refused without being shown, and no other takes its place', async () => {
  const wrong = { PRIVATE_KEY: KEY.slice(1) }
  const on = configWith({ enabled: true })
  await assert.rejects(ethSignerOf(on, secureRandom, wrong), (error) => {
    assert.match(String(error), /of env:PRIVATE_KEY: wanted 64 hex digits/)
    return coded('IDENTITY_ETH_KEY_INVALID')(error) && !String(error).includes(KEY.slice(1, 9))
  })
  const gone = configWith({ enabled: true, ethKey: `file:${join(dataDir, 'gone')}` })
  await assert.rejects(ethSignerOf(gone, secureRandom, {}), (error) => {
    assert.match(String(error), /Cannot use file:.*gone .*ENOENT.*, wanted a file that can be read/)
    return coded('NODE_CONFIG_VALUE_INVALID')(error)
  })
})
