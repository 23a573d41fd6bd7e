import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { editConfig } from './edit-config.ts'

const TEXT = '# mine\n[mcp]\nrequest_timeout = 30 # s\n'

let home = ''
let file = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'p2p-edit-'))
  file = join(home, 'config.toml')
})
afterEach(() => rm(home, { recursive: true }))

const set = (key: string, text: string | undefined, env: Record<string, string> = {}) => {
  return editConfig({ key, text }, { data: home }, env)
}
const now = () => readFile(file, 'utf8')

test('editConfig() changes one key, keeps the rest and the mode, and leaves no draft', async () => {
  await writeFile(file, TEXT)
  await chmod(file, 0o640)
  const done = await set('mcp.request_timeout', '45')
  assert.deepEqual(done, {
    file,
    key: 'mcp.request_timeout',
    value: 45,
    previous: 30,
    notices: [],
  })
  assert.equal(await now(), TEXT.replace('30', '45'))
  assert.equal((await stat(file)).mode & 0o777, 0o640)
  assert.deepEqual(await readdir(home), ['config.toml'])
})

test('editConfig() makes the file where there is none, for its owner only', async () => {
  assert.equal(
    (await set('bootstrap.nodes', '/ip4/9.9.9.9/tcp/1, /ip4/9.9.9.9/tcp/2')).previous,
    null,
  )
  assert.equal(await now(), '[bootstrap]\nnodes = [ "/ip4/9.9.9.9/tcp/1", "/ip4/9.9.9.9/tcp/2" ]\n')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
})

test('editConfig() writes through a link, and does not replace it', async () => {
  const real = join(home, 'real.toml')
  await writeFile(real, TEXT)
  await symlink(real, file)
  assert.equal((await set('mcp.request_timeout', '45')).file, real)
  assert.equal(await readFile(real, 'utf8'), TEXT.replace('30', '45'))
})

test('editConfig() takes a key out, and an entry of a table in and out', async () => {
  await writeFile(file, TEXT)
  assert.equal((await set('mcp.request_timeout', undefined)).value, null)
  assert.equal(await now(), '# mine\n[mcp]\n')
  await set('log.modules.libp2p:tcp', 'debug')
  assert.match(await now(), /\[log.modules\]\n"libp2p:tcp" = "debug"\n$/)
  assert.equal((await set('log.modules.libp2p:tcp', undefined)).previous, 'debug')
  assert.doesNotMatch(await now(), /libp2p:tcp/)
})

test('editConfig() refuses what a start would refuse, and writes nothing', async () => {
  await writeFile(file, TEXT)
  const refusals: [key: string, text: string, code: string][] = [
    ['mcp.request_timeout', 'soon', 'NODE_CONFIG_VALUE_INVALID'],
    ['mcp.request_timeout', '0', 'NODE_CONFIG_VALUE_INVALID'],
    ['mcp.request_timeot', '1', 'NODE_CONFIG_KEY_UNKNOWN'],
    ['request_timeout', '1', 'NODE_CONFIG_KEY_UNKNOWN'],
    ['log.modules', 'debug', 'NODE_CONFIG_KEY_UNKNOWN'],
    ['log.modules.net', 'loud', 'NODE_CONFIG_VALUE_INVALID'],
    ['mcp.server_address', '0.0.0.0:1', 'NODE_CONFIG_UNSAFE'],
    ['tunneling.enabled', 'true', 'NODE_NOT_BUILT_YET'],
    ['bootstrap.nodes', 'nowhere', 'NODE_CONFIG_VALUE_INVALID'],
  ]
  for (const [key, text, code] of refusals) await assert.rejects(set(key, text), coded(code), key)
  assert.equal(await now(), TEXT)
})

test('editConfig() refuses to touch a file that is no TOML, or in a form it cannot edit', async () => {
  await writeFile(file, 'mcp = { request_timeout = 30 }\n')
  await assert.rejects(set('mcp.request_timeout', '45'), coded('NODE_CONFIG_UNEDITABLE'))
  await writeFile(file, '[mcp\n')
  await assert.rejects(set('mcp.request_timeout', '45'), coded('NODE_CONFIG_SYNTAX'))
})

test('editConfig() says that the environment wins over what was written', async () => {
  const { notices } = await set('mcp.request_timeout', '45', { P2P_MCP_REQUEST_TIMEOUT: '50' })
  assert.match(
    notices.join(),
    /P2P_MCP_REQUEST_TIMEOUT sets mcp\.request_timeout as well, and wins/,
  )
})

test('editConfig() mends the one key that is wrong', async () => {
  await writeFile(file, TEXT.replace('30', '0'))
  await set('mcp.request_timeout', '45')
  assert.equal(await now(), TEXT.replace('30', '45'))
})

test('editConfig() mends a file of many problems one by one, and says what is left', async () => {
  await writeFile(file, '[mcp]\nrequest_timeout = 0\nattempts_max = 0\n[dht]\nk = 0\n')
  const { notices } = await set('mcp.request_timeout', '45')
  assert.match(notices.join(), /has 2 more problems/)
  await assert.rejects(set('dht.k', '0'), coded('NODE_CONFIG_VALUE_INVALID'))
  await assert.rejects(set('dht.alpha', '0'), coded('NODE_CONFIG_VALUE_INVALID'))
  await set('dht.k', '5')
  assert.deepEqual((await set('mcp.attempts_max', undefined)).notices, [])
  assert.equal(await now(), '[mcp]\nrequest_timeout = 45\n[dht]\nk = 5\n')
})
