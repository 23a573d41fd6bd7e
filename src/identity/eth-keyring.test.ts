import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { hasCode, secureRandom } from '../base/index.ts'
import { loadOrCreateEthSigner } from './eth-keyring.ts'

const home = await mkdtemp(join(tmpdir(), 'p2p-eth-key-'))
after(() => rm(home, { recursive: true, force: true }))

const KEY = '4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'

test('a key is made once with mode 0600 and read again, also by two at the same time', async () => {
  const folder = join(home, 'made')
  const file = join(folder, 'eth.key')
  const load = () => loadOrCreateEthSigner(file, secureRandom)
  const [one, two] = await Promise.all([load(), load()])
  assert.equal(one.address, two.address)
  assert.equal((await load()).address, one.address)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(folder), ['eth.key'])
  assert.match(await readFile(file, 'utf8'), /^0x[0-9a-f]{64}\n$/)
})

test('a key of a wallet is read; a file with anything else is refused without its text', async () => {
  const file = join(home, 'put.key')
  await writeFile(file, KEY, { mode: 0o600 })
  const { address } = await loadOrCreateEthSigner(file, secureRandom)
  assert.equal(address, '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23')
  await writeFile(file, KEY.slice(1))
  await assert.rejects(loadOrCreateEthSigner(file, secureRandom), (error) => {
    if (!hasCode(error, 'IDENTITY_ETH_KEY_FILE_MALFORMED')) return false
    return !`${error.message}${String(error.cause)}`.includes(KEY.slice(1, 9))
  })
  assert.equal(await readFile(file, 'utf8'), KEY.slice(1))
})

test('a key that others can read is refused', async () => {
  const file = join(home, 'open.key')
  await writeFile(file, KEY, { mode: 0o600 })
  await chmod(file, 0o644)
  const exposed = coded('IDENTITY_KEY_FILE_EXPOSED')
  await assert.rejects(loadOrCreateEthSigner(file, secureRandom), exposed)
})
