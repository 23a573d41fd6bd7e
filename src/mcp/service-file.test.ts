import assert from 'node:assert/strict'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { fixtureSpec, scratch } from '../../test/support/mcp-fixture.ts'
import { loadServices, saveServices } from './service-file.ts'

test('services come back as they were saved', async () => {
  await using folder = await scratch()
  const path = join(folder.path, 'services.json')
  assert.deepEqual(await loadServices(path), [])
  const specs = [fixtureSpec('a'), fixtureSpec('b')]
  await saveServices(path, [])
  await saveServices(path, specs)
  assert.deepEqual(await loadServices(path), specs)
  assert.deepEqual(await readdir(folder.path), ['services.json'])
})

test('the file is for its owner alone', async () => {
  await using folder = await scratch()
  const path = join(folder.path, 'services.json')
  await writeFile(path, '', { mode: 0o666 })
  await saveServices(path, [fixtureSpec('a')])
  assert.equal((await stat(path)).mode & 0o777, 0o600)
})

for (const text of ['', '{', '[]', '{"v":2,"services":[]}', '{"v":1,"services":[{"name":"A"}]}']) {
  test(`a file that says ${text || 'nothing'} is refused and stays`, async () => {
    await using folder = await scratch()
    const path = join(folder.path, 'services.json')
    await writeFile(path, text)
    await assert.rejects(loadServices(path), coded('MCP_SERVICES_FILE'))
    await assert.rejects(loadServices(path), new RegExp(path))
  })
}

test('a folder that cannot be written is named, and the old file stays', async () => {
  await using folder = await scratch()
  const path = join(folder.path, 'missing', 'services.json')
  await assert.rejects(saveServices(path, []), coded('MCP_SERVICES_NOT_KEPT'))
})
