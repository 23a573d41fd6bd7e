import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededRandom } from './random.ts'
import { writeWhole } from './write-whole.ts'

async function scratch() {
  const path = await mkdtemp(join(tmpdir(), 'p2p-write-whole-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

test('the new content takes the place of the old, and no draft is left', async () => {
  await using folder = await scratch()
  const file = join(folder.path, 'a.json')
  await writeWhole(file, 'old')
  await writeWhole(file, Uint8Array.of(0x6e, 0x65, 0x77))
  assert.equal(await readFile(file, 'utf8'), 'new')
  assert.deepEqual(await readdir(folder.path), ['a.json'])
})

test('its owner alone may read it unless said otherwise, whatever the old file allowed', async () => {
  await using folder = await scratch()
  const file = join(folder.path, 'a.json')
  await writeFile(file, 'old', { mode: 0o666 })
  await writeWhole(file, 'new')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  await writeWhole(file, 'newer', { mode: 0o666 })
  assert.equal((await stat(file)).mode & 0o777, 0o666, 'the mask of the process does not count')
})

test('what cannot be written leaves the old file and no draft', async () => {
  await using folder = await scratch()
  const file = join(folder.path, 'a')
  await mkdir(join(file, 'inside'), { recursive: true })
  await assert.rejects(writeWhole(file, 'new'), { syscall: 'rename' })
  assert.deepEqual(await readdir(folder.path), ['a'])
  await assert.rejects(writeWhole(join(folder.path, 'missing', 'a'), 'new'), { code: 'ENOENT' })
})

test('somebody else’s draft is not written to', async () => {
  await using folder = await scratch()
  const file = join(folder.path, 'a')
  const draft = `${file}.${Buffer.from(seededRandom('one').bytes(6)).toString('hex')}.tmp`
  await writeFile(draft, 'theirs')
  await assert.rejects(writeWhole(file, 'ours', { random: seededRandom('one') }), {
    code: 'EEXIST',
  })
  assert.equal(await readFile(draft, 'utf8'), 'theirs')
})

test('many who write at once leave one of the contents, whole', async () => {
  await using folder = await scratch()
  const file = join(folder.path, 'a')
  const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(50_000))
  await Promise.all(texts.map((text) => writeWhole(file, text)))
  assert.ok(texts.includes(await readFile(file, 'utf8')))
  assert.deepEqual(await readdir(folder.path), ['a'])
})
