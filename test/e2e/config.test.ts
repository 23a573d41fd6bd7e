/** The configuration as a person meets it: the specification's file, and `p2p config`. */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorOf, p2p, startNode } from '../support/cli.ts'
import { eventually } from '../support/nodes.ts'

/** The specification's example, letter by letter. */
const EXAMPLE_FILE = new URL('../vectors/specification.toml', import.meta.url)
const EXAMPLE = await readFile(EXAMPLE_FILE, 'utf8')

/** The keys of it that stop a start for now. */
const NOT_YET = [
  'tunneling.enabled',
  'tunneling.preferred_protocols',
  'tunneling.fallback_cascade',
  'tunneling.probe_interval',
]
const MENDED = [
  ['mcp.server_address', '127.0.0.1:0'],
  ['bootstrap.nodes', '/ip4/127.0.0.1/tcp/1'],
  ['network.listen_addresses', '/ip4/127.0.0.1/tcp/0'],
] as const

async function folder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'p2p-config-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

test('the specification’s file is told what is missing, all at once, and starts without it', async () => {
  await using home = await folder()
  const file = join(home.path, 'spec.toml')
  await writeFile(file, EXAMPLE)
  const at = ['--data', home.path, '--config', file]
  const refused = await p2p(['start', '--json', ...at])
  assert.equal(refused.code, 3)
  const { code, facts, message } = errorOf(refused)
  assert.equal(code, 'NODE_CONFIG_INVALID')
  assert.equal((facts.problems as unknown[]).length, 7)
  for (const key of [...NOT_YET, 'mcp.server_address', 'bootstrap.nodes']) {
    const [section = '', name = ''] = key.split('.')
    assert.ok(message.includes(`[${section}] ${name} (${file}:`), key)
  }
  assert.match(message, /it comes with the room "tunnel". Remove the key or set it to false/)
  assert.match(message, /or set \[mcp\] expose_beyond_loopback = true if you mean to expose/)

  const isLeft = (line: string) => !/^(fallback|preferred|probe|available)/.test(line)
  const lines = EXAMPLE.split('\n').filter(isLeft)
  await writeFile(file, lines.join('\n'))
  const { code: unset } = await p2p(['config', 'set', 'tunneling.enabled', '--unset', ...at])
  assert.equal(unset, 0)
  for (const [key, value] of MENDED) {
    const { code: done, stderr } = await p2p(['config', 'set', key, value, ...at])
    assert.equal(done, 0, stderr)
  }
  assert.equal((await p2p(['config', 'check', ...at])).code, 0)
  assert.match(await readFile(file, 'utf8'), /^peer_id = "auto" # or specify base58 peer id$/m)
  const ports = ['--api-port=0']
  await using node = await startNode(['--config', file], { dataDir: home.path, ports })
  assert.equal(node.ready.listen.length, 1)
})

test('config set changes the running node at once where that is safe, else says restart', async () => {
  await using node = await startNode(['--preset', 'test'])
  const set = (...words: string[]) => node.json('config', 'set', ...words)
  const file = join(node.dataDir, 'config.toml')
  const change = { file, previous: null }
  assert.deepEqual(await set('log.level', 'debug'), {
    ...change,
    key: 'log.level',
    value: 'debug',
    applied: 'now',
  })
  // Whatever comes of it, libp2p has something to say about it.
  await node.p2p('connect', '/ip4/127.0.0.1/tcp/1')
  await eventually(async () => (node.log.includes('"level":"debug"') ? true : undefined))
  const k = { ...change, key: 'dht.k', value: 7 }
  assert.deepEqual(await set('dht.k', '7'), { ...k, applied: 'restart' })
  const show = (key: string) => node.json('config', 'show', key)
  assert.deepEqual(await show('log.level'), { running: true, key: 'log.level', value: 'debug' })
  assert.deepEqual(await show('dht.k'), { running: true, key: 'dht.k', value: 20 })

  const wrong = await node.p2p('config', 'set', 'mcp.request_timeout', '0', '--json')
  assert.equal(wrong.code, 3)
  assert.equal(errorOf(wrong).code, 'NODE_CONFIG_VALUE_INVALID')
  assert.equal(await readFile(file, 'utf8'), '[log]\nlevel = "debug"\n\n[dht]\nk = 7\n')
  const unset = (await set('log.level', '--unset')) as { applied: string }
  assert.equal(unset.applied, 'now')
  assert.deepEqual(await show('log.level'), { running: true, key: 'log.level', value: 'info' })
})

test('PATCH /v1/config refuses what is wrong and names what waits, with the token only', async () => {
  await using node = await startNode(['--preset', 'test'])
  const token = (await readFile(node.ready.tokenFile, 'utf8')).trim()
  const patch = async (changes: object, bearer = token) => {
    const response = await fetch(`${node.ready.api}/v1/config`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body: JSON.stringify({ changes }),
    })
    return { status: response.status, body: await response.json() }
  }
  assert.deepEqual(await patch({ 'mcp.attempts_max': 5, 'dht.k': 7 }), {
    status: 200,
    body: { now: ['mcp.attempts_max'], restart: ['dht.k'] },
  })
  assert.equal((await patch({ 'mcp.attempts_max': 0 })).status, 400)
  assert.equal((await patch({ 'mcp.no_such': 1 })).status, 400)
  assert.equal((await patch({ 'mcp.server_address': '0.0.0.0:1' })).status, 400)
  assert.equal((await patch({ 'dht.alpha': 1 }, 'wrong')).status, 401)
})
