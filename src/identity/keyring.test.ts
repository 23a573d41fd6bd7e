import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { privateKeyFromProtobuf, privateKeyFromRaw } from '@libp2p/crypto/keys'
import { coded } from '../../test/support/expect.ts'
import { secureRandom, seededRandom, toHex } from '../base/index.ts'
import { generateKeys, loadKeys, loadOrCreateKeys } from './keyring.ts'

const home = await mkdtemp(join(tmpdir(), 'p2p-keyring-'))
after(() => rm(home, { recursive: true, force: true }))

let folders = 0
/** A path for a key in a folder of its own, and a valid key's text. */
async function setup() {
  folders += 1
  const folder = join(home, String(folders))
  await mkdir(folder)
  const file = join(folder, 'identity.key')
  const { raw } = generateKeys(seededRandom(file))
  const text = Buffer.concat([Uint8Array.of(0x08, 0x01, 0x12, 0x40), raw]).toString('base64')
  const put = async (content: string | Uint8Array, mode = 0o600) => {
    await writeFile(file, content, { mode })
    await chmod(file, mode)
  }
  return { folder, file, text, put }
}

test('loadOrCreateKeys() makes a key with mode 0600, and reads the same key again', async () => {
  const { file, folder } = await setup()
  assert.equal(await loadKeys(file), undefined)
  const made = await loadOrCreateKeys(file, secureRandom)
  const read = await loadOrCreateKeys(file, secureRandom)
  assert.equal(read.signer.peer, made.signer.peer)
  assert.deepEqual(read.raw, made.raw)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(folder), ['identity.key'])
})

test('the folder is made when it is missing, for its owner only', async () => {
  const { folder } = await setup()
  const file = join(folder, 'new', 'identity.key')
  await loadOrCreateKeys(file, secureRandom)
  assert.equal((await stat(join(folder, 'new'))).mode & 0o777, 0o700)
})

test('libp2p reads our key file, and the raw form of our key', async () => {
  const { file } = await setup()
  const { signer, raw } = await loadOrCreateKeys(file, secureRandom)
  const bytes = Buffer.from(await readFile(file, 'utf8'), 'base64')
  for (const theirs of [privateKeyFromProtobuf(bytes), privateKeyFromRaw(raw)]) {
    assert.equal(toHex(theirs.publicKey.raw), toHex(signer.publicKey))
  }
})

test('many that start at once end up with one key', async () => {
  const { file } = await setup()
  const all = await Promise.all(
    Array.from({ length: 8 }, () => loadOrCreateKeys(file, secureRandom)),
  )
  assert.equal(new Set(all.map(({ signer }) => signer.peer)).size, 1)
})

test('a key file that others can read is refused, and the remedy is named', async () => {
  for (const mode of [0o644, 0o640, 0o604, 0o660]) {
    const { file, text, put } = await setup()
    await put(text, mode)
    await assert.rejects(loadOrCreateKeys(file, secureRandom), (error: Error) => {
      assert.ok(coded('IDENTITY_KEY_FILE_EXPOSED')(error))
      assert.match(error.message, new RegExp(`${mode.toString(8)}.*chmod 600 ${file}`))
      return true
    })
    assert.equal(await readFile(file, 'utf8'), text)
  }
})

test('a symbolic link in place of the key is refused', async () => {
  const { folder, file, text } = await setup()
  const target = join(folder, 'elsewhere')
  await writeFile(target, text, { mode: 0o600 })
  await symlink(target, file)
  await assert.rejects(loadOrCreateKeys(file, secureRandom), coded('IDENTITY_KEY_FILE_UNREADABLE'))
  await rm(target)
  await assert.rejects(loadOrCreateKeys(file, secureRandom), coded('IDENTITY_KEY_FILE_UNREADABLE'))
})

test('a folder, a pipe, or a file where the folder should be is refused, at once', async () => {
  const first = await setup()
  await mkdir(first.file)
  await assert.rejects(loadKeys(first.file), coded('IDENTITY_KEY_FILE_UNREADABLE'))
  const second = await setup()
  execFileSync('mkfifo', ['-m', '600', second.file])
  await assert.rejects(loadKeys(second.file), coded('IDENTITY_KEY_FILE_UNREADABLE'))
  const third = await setup()
  await third.put('')
  const below = join(third.file, 'identity.key')
  await assert.rejects(loadOrCreateKeys(below, secureRandom), coded('IDENTITY_KEY_FILE_UNREADABLE'))
})

test('a key file that its user may not read is refused, and left alone', async () => {
  const { file, folder, text, put } = await setup()
  await put(text, 0o000)
  await chmod(home, 0o755)
  await chmod(folder, 0o755)
  await asOrdinaryUser(() =>
    assert.rejects(loadOrCreateKeys(file, secureRandom), (error: Error) => {
      assert.ok(coded('IDENTITY_KEY_FILE_UNREADABLE')(error))
      assert.match(error.message, /EACCES/)
      return true
    }),
  )
  await chmod(file, 0o600)
  assert.equal(await readFile(file, 'utf8'), text)
})

test('a folder that cannot be written leaves no trace and names the reason', async () => {
  const { folder } = await setup()
  await chmod(home, 0o755)
  await chmod(folder, 0o555)
  await asOrdinaryUser(() =>
    assert.rejects(
      loadOrCreateKeys(join(folder, 'identity.key'), secureRandom),
      coded('IDENTITY_KEY_FILE_UNWRITABLE'),
    ),
  )
  assert.deepEqual(await readdir(folder), [])
})

test('a key file that is cut short, changed or not ours is refused and left as it is', async () => {
  const { text } = await setup()
  const flip = (at: number) => {
    const bytes = Buffer.from(text, 'base64')
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes.toString('base64')
  }
  const wrong = {
    empty: '',
    'cut short': text.slice(0, 40),
    'one byte less': text.slice(0, -4),
    'twice over': text + text,
    'seed changed': flip(10),
    'public key changed': flip(60),
    'another key type': flip(1),
    'noise between': `${text.slice(0, 20)}!${text.slice(20)}`,
    'not base64': '{"key": 1}',
    'too large': 'A'.repeat(2_000),
    zeros: Buffer.alloc(92),
  }
  for (const [name, content] of Object.entries(wrong)) {
    const { file, put } = await setup()
    await put(content)
    await assert.rejects(
      loadOrCreateKeys(file, secureRandom),
      coded('IDENTITY_KEY_FILE_MALFORMED'),
      name,
    )
    assert.equal(await readFile(file, 'utf8'), content.toString(), name)
  }
})

test('a file of gigabytes in place of the key is refused before it is read', async () => {
  const { file, put } = await setup()
  await put('')
  await truncate(file, 3 * 2 ** 30)
  await assert.rejects(loadKeys(file), coded('IDENTITY_KEY_FILE_MALFORMED'))
})

test('a line feed at the end of the key is neither wanted nor refused', async () => {
  const { file, text, put } = await setup()
  await put(text)
  const plain = await loadKeys(file)
  await put(`${text}\n`)
  assert.equal((await loadKeys(file))?.signer.peer, plain?.signer.peer)
})

test('a draft left by a crash is no key, and is not in the way', async () => {
  const { folder, file } = await setup()
  await writeFile(join(folder, 'identity.key.0badcafe.tmp'), 'CAESQ', { mode: 0o600 })
  const { signer } = await loadOrCreateKeys(file, secureRandom)
  assert.equal((await loadKeys(file))?.signer.peer, signer.peer)
})

/** File modes do not hold the superuser back, so such tests step down for as long as they take. */
async function asOrdinaryUser(work: () => Promise<void>): Promise<void> {
  const root = process.geteuid?.() === 0
  if (root) process.seteuid?.(65_534)
  try {
    await work()
  } finally {
    if (root) process.seteuid?.(0)
  }
}
