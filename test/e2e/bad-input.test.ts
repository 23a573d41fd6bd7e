/** What people get wrong: each mistake has a code, a remedy and an exit code, and harms nothing. */

import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type Finished,
  type PrintedError,
  p2p,
  errorOf as printedError,
  startNode,
} from '../support/cli.ts'

/** Root reads every file; without these two capabilities it meets file modes as others do. */
const FILE_POWERS = '-dac_override,-dac_read_search'
const ORDINARY_USER =
  process.getuid?.() === 0
    ? ['setpriv', `--bounding-set=${FILE_POWERS}`, `--inh-caps=${FILE_POWERS}`]
    : []

async function folder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'p2p-bad-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** The error of a command that must have printed nothing else. */
function errorOf(run: Finished): PrintedError {
  assert.equal(run.stdout, '')
  return printedError(run)
}

const starts = (data: string, ...args: string[]) =>
  p2p(['start', '--json', '--data', data, '--api-port=0', '--mcp-port=0', ...args])

test('an unknown key names the nearest, a wrong type says what was wanted', async () => {
  await using dir = await folder()
  const file = join(dir.path, 'config.toml')
  await writeFile(file, '[dht]\nrecord_tll = 60\n')
  const unknown = await starts(dir.path)
  assert.equal(unknown.code, 3)
  assert.match(errorOf(unknown).message, /record_tll.*record_ttl/s)

  await writeFile(file, '[dht]\nrecord_ttl = "an hour"\n')
  const wrong = await starts(dir.path)
  assert.equal(wrong.code, 3)
  assert.match(errorOf(wrong).message, /record_ttl/)
  assert.match(errorOf(wrong).message, /number/)
})

test('a key file that others can read, or that is no key, stops the node and stays', async () => {
  await using dir = await folder()
  const file = join(dir.path, 'identity.key')
  const node = await startNode([], { dataDir: dir.path })
  await node.kill('SIGTERM')
  const key = await readFile(file, 'utf8')
  await chmod(file, 0o644)
  const exposed = await starts(dir.path)
  assert.equal(exposed.code, 3)
  assert.equal(errorOf(exposed).code, 'IDENTITY_KEY_FILE_EXPOSED')
  assert.match(errorOf(exposed).message, /chmod 600/)
  assert.equal(await readFile(file, 'utf8'), key)

  await writeFile(file, 'no key\n')
  await chmod(file, 0o600)
  const malformed = await starts(dir.path)
  assert.equal(malformed.code, 3)
  assert.equal(errorOf(malformed).code, 'IDENTITY_KEY_FILE_MALFORMED')
  assert.equal(await readFile(file, 'utf8'), 'no key\n')
})

test('a key file that the user may not read is left as it is', async () => {
  await using dir = await folder()
  const file = join(dir.path, 'identity.key')
  await writeFile(file, 'secret\n')
  await chmod(file, 0)
  const words = ['start', '--json', '--data', dir.path, '--api-port=0', '--mcp-port=0']
  const run = await p2p(words, { wrapper: ORDINARY_USER })
  assert.equal(run.code, 3, run.stderr)
  assert.equal(errorOf(run).code, 'IDENTITY_KEY_FILE_UNREADABLE')
  await chmod(file, 0o600)
  assert.equal(await readFile(file, 'utf8'), 'secret\n')
})

test('a bootstrap address that does not parse is a configuration error', async () => {
  await using dir = await folder()
  const run = await starts(dir.path, '--bootstrap=/ip4/1.2.3/tcp/x')
  assert.ok(run.code === 3 || run.code === 2, String(run.code))
  assert.match(errorOf(run).message, /1\.2\.3/)
})

test('a second node on the same data folder is told who holds it', async () => {
  await using node = await startNode()
  const second = await starts(node.dataDir)
  assert.equal(second.code, 9)
  assert.equal(errorOf(second).code, 'NODE_ALREADY_RUNNING')
  assert.match(errorOf(second).message, new RegExp(String(node.child.pid)))
  assert.equal((await node.p2p('status')).code, 0, 'the first goes on')
})

test('a configured port that is busy names the port', async () => {
  await using dir = await folder()
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  try {
    const run = await starts(dir.path, `--listen=/ip4/127.0.0.1/tcp/${address.port}`)
    assert.equal(run.code, 9)
    assert.match(errorOf(run).message, new RegExp(String(address.port)))
    assert.match(errorOf(run).message, new RegExp(`${process.pid}`), 'and who holds it')
  } finally {
    server.close()
  }
})

test('commands without a running node say so', async () => {
  await using dir = await folder()
  const run = await p2p(['status', '--json', '--data', dir.path])
  assert.equal(run.code, 4)
  assert.match(errorOf(run).message, /p2p start/)
})

test('words that are no command, option or JSON are usage errors', async () => {
  for (const words of [['strat'], ['status', '--jsno'], ['call'], ['call', 'x', '{']]) {
    const run = await p2p(words)
    assert.equal(run.code, 2, `${words.join(' ')}: ${run.stderr}`)
    assert.equal(run.stdout, '')
  }
})
