import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { encodeCbor } from '../wire/index.ts'
import { preKeysFile } from './pre-keys-file.ts'

const home = await mkdtemp(join(tmpdir(), 'p2p-pre-keys-'))
after(() => rm(home, { recursive: true, force: true }))

const random = seededRandom('pre-keys-file')
const keys = [1, 2].map((n) => ({
  id: random.bytes(8),
  secret: random.bytes(32),
  expiresAtMs: 1_800_000_000_000 + n,
}))

let folders = 0
/** A path in a folder of its own. */
async function setup() {
  folders += 1
  const folder = join(home, String(folders))
  await mkdir(folder)
  const file = join(folder, 'pre-keys.cbor')
  return { folder, file, store: preKeysFile(file, random) }
}

test('what was saved is loaded, for its owner alone, and nothing else is left', async () => {
  const { folder, file, store } = await setup()
  assert.deepEqual(await store.load(), [])
  await store.save(keys)
  await store.save(keys.slice(1))
  const [row, ...rest] = await store.load()
  assert.deepEqual(rest, [])
  assert.deepEqual(Buffer.from(row?.secret ?? []), Buffer.from(keys[1]?.secret ?? []))
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(folder), ['pre-keys.cbor'])
})

test('a file that others can read, a link or a damaged one is refused with its name', async () => {
  const { folder, file, store } = await setup()
  const refused = { code: 'AGENT_PRE_KEYS_FILE' }
  await store.save(keys)
  await chmod(file, 0o640)
  await assert.rejects(store.load(), { ...refused, message: /chmod 600/ })
  const damaged = [
    Uint8Array.of(1, 2),
    encodeCbor(5),
    encodeCbor([2, []]),
    encodeCbor([1, [5]]),
    encodeCbor([1, [[new Uint8Array(8), new Uint8Array(31), 1]]]),
    encodeCbor([1, Array.from({ length: 25 }, () => 1)]),
    new Uint8Array(4_097),
  ]
  for (const bytes of damaged) {
    await writeFile(file, bytes)
    await chmod(file, 0o600)
    await assert.rejects(store.load(), refused)
  }
  const link = join(folder, 'link.cbor')
  await symlink(file, link)
  await assert.rejects(preKeysFile(link, random).load(), refused)
  await assert.rejects(preKeysFile(folder, random).load(), refused)
})

test('a folder that is not there refuses to keep anything, and says so', async () => {
  const store = preKeysFile(join(home, 'none', 'pre-keys.cbor'), random)
  await assert.rejects(store.save(keys), { code: 'AGENT_PRE_KEYS_FILE', message: /ENOENT/ })
})
