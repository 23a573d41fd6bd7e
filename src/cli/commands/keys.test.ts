import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { secureRandom } from '../../base/index.ts'
import { loadOrCreateKeys } from '../../identity/index.ts'
import { keysPath, keysShow } from './keys.ts'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'p2p-keys-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

test('keys show prints the public half and nothing of the private one', async (t) => {
  const dataDir = await folder(t)
  const file = join(dataDir, 'identity.key')
  const keys = await loadOrCreateKeys(file, secureRandom)
  const { context, printed, stdout } = setup({ dataDir, json: true })
  await keysShow.run(context)
  const publicKey = Buffer.from(keys.signer.publicKey).toString('hex')
  assert.deepEqual(printed(), { peerId: keys.signer.peer, type: 'Ed25519', publicKey, file })
  const seed = Buffer.from(keys.raw.subarray(0, 32))
  const secrets = [seed.toString('hex'), seed.toString('base64'), await readFile(file, 'utf8')]
  for (const secret of secrets) assert.ok(!stdout.text.includes(secret.trim()))
})

test('keys show says where there is no key, and makes none', async (t) => {
  const dataDir = await folder(t)
  await assert.rejects(keysShow.run(setup({ dataDir }).context), coded('CLI_NO_KEY'))
  await assert.rejects(readFile(join(dataDir, 'identity.key')))
})

test('keys show refuses a key that others can read', async (t) => {
  const dataDir = await folder(t)
  const file = join(dataDir, 'identity.key')
  await loadOrCreateKeys(file, secureRandom)
  await chmod(file, 0o644)
  const wanted = coded('IDENTITY_KEY_FILE_EXPOSED')
  await assert.rejects(keysShow.run(setup({ dataDir }).context), wanted)
})

test('keys path prints where the key is or would be', async () => {
  const { context, stdout } = setup({ dataDir: '/data' })
  await keysPath.run(context)
  assert.equal(stdout.text, '/data/identity.key\n')
})
