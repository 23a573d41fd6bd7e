import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { readEnvFile } from './stdio-env-file.ts'

test('a key in a file of somebody else that others can read is refused, and nothing is changed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-env-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, '.env')
  await writeFile(file, 'PRIVATE_KEY=0xabab\n', { mode: 0o640 })
  const { uid } = await stat(file)
  await assert.rejects(readEnvFile(file, uid + 1), (error) => {
    assert.match(String(error), /its mode is 640, so others can read it/)
    assert.doesNotMatch(String(error), /abab/)
    return coded('CONTROL_STDIO_ENV_FILE_EXPOSED')(error)
  })
  assert.equal((await stat(file)).mode & 0o777, 0o640)
  assert.match((await readEnvFile(file, uid)).warning ?? '', /others could read it: 600 now$/)
  assert.deepEqual(await readEnvFile(file, uid), { text: 'PRIVATE_KEY=0xabab\n' })
})

test('a file without a key may be read by all', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-env-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, '.env')
  await writeFile(file, 'PRIVATE_KEY=\nRPC_URL=http://file\n', { mode: 0o644 })
  assert.deepEqual(Object.keys(await readEnvFile(file, -1)), ['text'])
})
