import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { seededRandom } from '../base/index.ts'
import { openDataDir, readApiToken } from './data-dir.ts'
import { readRunFile } from './run-file.ts'

const random = seededRandom('data')
const isRoot = process.getuid?.() === 0
const RUN = {
  pid: 4_711,
  peerId: '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN',
  api: 'http://127.0.0.1:9002',
  mcp: 'http://127.0.0.1:8545/mcp',
  grpc: null,
  listen: ['/ip4/127.0.0.1/tcp/9000'],
  startedAt: '2026-01-01T00:00:00.000Z',
}

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'p2p-data-'))
})
afterEach(() => rm(home, { recursive: true }))

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

test('openDataDir() makes a folder and a token that nobody else can read', async () => {
  const path = join(home, 'a', 'b')
  const dir = await openDataDir(path, random)
  assert.equal(await modeOf(path), '700')
  assert.equal(await modeOf(dir.tokenFile), '600')
  assert.match(dir.apiToken, /^[A-Za-z0-9_-]{43}$/)
  assert.equal((await readFile(dir.tokenFile, 'utf8')).trim(), dir.apiToken)
  await dir.close()
  const again = await openDataDir(path, random)
  assert.equal(again.apiToken, dir.apiToken)
  await again.close()
})

test('a second node on the folder is told who runs there', async () => {
  const dir = await openDataDir(home, random)
  await dir.announce(RUN)
  await assert.rejects(openDataDir(home, random), (error: Error) => {
    assert.match(error.message, /pid 4711, API http:\/\/127\.0\.0\.1:9002.*--data/)
    return coded('NODE_ALREADY_RUNNING')(error)
  })
  await dir.close()
  await (await openDataDir(home, random)).close()
})

test('announce() writes node.json whole, and close() takes it away', async () => {
  const dir = await openDataDir(home, random)
  await dir.announce(RUN)
  assert.deepEqual(await readRunFile(home), RUN)
  await dir.announce({ ...RUN, mcp: null })
  assert.equal((await readRunFile(home))?.mcp, null)
  await dir.close()
  await dir.close()
  assert.equal(await readRunFile(home), undefined)
  assert.deepEqual((await readdir(home)).sort(), ['api.token', 'lock.sqlite'])
})

test('the lock ends with the process that held it, however it ends', async () => {
  const program = `
    import { openDataDir } from ${JSON.stringify(new URL('./data-dir.ts', import.meta.url).href)}
    import { secureRandom } from ${JSON.stringify(new URL('../base/index.ts', import.meta.url).href)}
    const dir = await openDataDir(${JSON.stringify(home)}, secureRandom)
    await dir.announce({ ...${JSON.stringify(RUN)}, pid: process.pid })
    process.stdout.write('open')
    setInterval(() => dir, 1_000)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  await assert.rejects(openDataDir(home, random), (error: Error) => {
    assert.match(error.message, new RegExp(`pid ${child.pid}`))
    return coded('NODE_ALREADY_RUNNING')(error)
  })
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal((await readRunFile(home))?.pid, child.pid)
  await (await openDataDir(home, random)).close()
})

test('a token that others can read, or that is none, is refused with the remedy', async () => {
  const file = join(home, 'api.token')
  assert.equal(await readApiToken(home), undefined)
  await writeFile(file, `${'x'.repeat(43)}\n`, { mode: 0o600 })
  assert.equal(await readApiToken(home), 'x'.repeat(43))
  await chmod(file, 0o640)
  await assert.rejects(openDataDir(home, random), (error: Error) => {
    assert.match(error.message, /mode is 640.*rm /)
    return coded('NODE_TOKEN_EXPOSED')(error)
  })
  for (const text of ['', 'short', `${'x'.repeat(42)}!`]) {
    await writeFile(file, text)
    await chmod(file, 0o600)
    await assert.rejects(openDataDir(home, random), coded('NODE_TOKEN_MALFORMED'))
  }
  await rm(file)
  const target = join(home, 'elsewhere')
  await writeFile(target, 'x'.repeat(43), { mode: 0o600 })
  await symlink(target, file)
  await assert.rejects(openDataDir(home, random), coded('NODE_TOKEN_MALFORMED'))
  await rm(file)
  await (await openDataDir(home, random)).close()
})

test('a folder that cannot be made or written is refused with the reason', async () => {
  const file = join(home, 'file')
  await writeFile(file, '')
  await assert.rejects(openDataDir(file, random), coded('NODE_DATA_UNWRITABLE'))
  await assert.rejects(openDataDir(join(file, 'x'), random), coded('NODE_DATA_UNWRITABLE'))
  if (isRoot) return
  const closed = join(home, 'closed')
  await (await openDataDir(closed, random)).close()
  await rm(join(closed, 'lock.sqlite'))
  await chmod(closed, 0o500)
  await assert.rejects(openDataDir(closed, random), (error: Error) => {
    assert.match(error.message, /EACCES.*--data/)
    return coded('NODE_DATA_UNWRITABLE')(error)
  })
  await chmod(closed, 0o700)
})

test('a node.json that is none is named', async () => {
  for (const text of ['', '{', '[]', '{"pid":1}', JSON.stringify({ ...RUN, listen: [1] })]) {
    await writeFile(join(home, 'node.json'), text)
    await assert.rejects(readRunFile(home), coded('NODE_RUN_FILE_MALFORMED'), text)
  }
  const dir = await openDataDir(home, random)
  await assert.rejects(openDataDir(home, random), coded('NODE_ALREADY_RUNNING'))
  await dir.close()
})
