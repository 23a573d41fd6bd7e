import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { secureRandom } from '../base/index.ts'
import { loadOrCreateKeys } from '../identity/index.ts'
import { systemProbes as probes } from './probes.ts'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'p2p-probes-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

test('folder() sees mode and space, and leaves nothing behind', async (t) => {
  const path = await folder(t)
  await chmod(path, 0o750)
  const facts = await probes.folder(path)
  assert.deepEqual([facts.exists, facts.writable, facts.mode], [true, true, 0o750])
  assert.ok(facts.freeBytes > 0)
  assert.deepEqual(await readdir(path), [])
})

test('folder() of one to come looks at where it would be made', async (t) => {
  const path = join(await folder(t), 'a', 'b')
  const facts = await probes.folder(path)
  assert.deepEqual([facts.exists, facts.writable, facts.mode], [false, true, undefined])
})

test('folder() of a file is not writable', async (t) => {
  const path = join(await folder(t), 'file')
  await writeFile(path, '')
  assert.equal((await probes.folder(path)).writable, false)
})

test('key() tells none, a sound one and one that cannot be used apart', async (t) => {
  const path = await folder(t)
  assert.deepEqual(await probes.key(path), { state: 'none' })
  const { signer } = await loadOrCreateKeys(join(path, 'identity.key'), secureRandom)
  assert.deepEqual(await probes.key(path), { state: 'sound', peerId: signer.peer })
  await chmod(join(path, 'identity.key'), 0o644)
  assert.equal((await probes.key(path)).state, 'unusable')
})

test('lock() tells a free folder, one in use and one left behind apart', async (t) => {
  const path = await folder(t)
  assert.deepEqual(await probes.lock(path), { held: false, pid: undefined })
  const file = join(path, 'lock.sqlite')
  const holder = new DatabaseSync(file)
  holder.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  await writeFile(join(path, 'node.json'), '{"pid":7}')
  assert.deepEqual(await probes.lock(path), { held: true, pid: 7 })
  holder.close()
  assert.deepEqual(await probes.lock(path), { held: false, pid: 7 })
  await writeFile(join(path, 'node.json'), '{')
  assert.deepEqual(await probes.lock(path), { held: false, pid: undefined })
})

test('clock() knows when the folder was written last', async (t) => {
  const path = await folder(t)
  assert.equal((await probes.clock(path, 5)).writtenMs, undefined)
  await writeFile(join(path, 'peers.json'), '')
  await utimes(join(path, 'peers.json'), 1_000, 1_000)
  const facts = await probes.clock(path, 5)
  assert.deepEqual([facts.nowMs, facts.writtenMs], [5, 1_000_000])
  assert.notEqual(facts.synchronised, false)
})

test('ipv6() leaves the loopback out, and knows whether there is a way out', async () => {
  const { addresses, hasRoute } = await probes.ipv6()
  assert.ok(!addresses.includes('::1'))
  if (addresses.length === 0) assert.equal(hasRoute, false)
  assert.equal(probes.nodeVersion(), process.versions.node)
})
