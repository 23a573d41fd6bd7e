/** `p2p registry …` as a person types it, on a real chain; the key comes from the environment. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { systemClock } from '../../src/base/index.ts'
import { main } from '../../src/cli/main.ts'
import { realRooms } from '../../src/cli/real-rooms.ts'
import { Memory } from '../support/cli-context.ts'
import { KEYS, missing, startAnvil } from './anvil.ts'

assert.equal(missing(), undefined)

test('deploy, register, show, transfer, block, unblock; each refusal has its exit code', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'p2p-chain-cli-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  await using anvil = await startAnvil()
  const env: Record<string, string | undefined> = { RPC_URL: anvil.url }
  const run = async (key: string | undefined, ...words: string[]) => {
    const [stdout, stderr] = [new Memory(), new Memory()]
    const code = await main({
      argv: ['registry', ...words, '--json', '--data', data],
      env: { ...env, ...(key !== undefined && { PRIVATE_KEY: key }) },
      cwd: data,
      version: '0.0.0',
      program: 'p2p',
      stdin: () => Readable.from([]),
      stdout,
      stderr,
      readerGone: new AbortController().signal,
      clock: systemClock,
      rooms: realRooms,
      onSignal: () => () => undefined,
      exit: () => assert.fail('no second signal came'),
    })
    const printed = `${stdout.text}${stderr.text}`
    for (const secret of KEYS) assert.equal(printed.includes(secret.slice(2)), false)
    return { code, value: JSON.parse(stdout.text || stderr.text) as Record<string, unknown> }
  }
  const done = async (key: string, ...words: string[]) => {
    const { code, value } = await run(key, ...words)
    assert.equal(code, 0, JSON.stringify(value))
    return value
  }
  const refused = async (exit: number, key: string | undefined, ...words: string[]) => {
    const { code, value } = await run(key, ...words)
    assert.equal(code, exit, JSON.stringify(value))
    return (value.error as { code: string }).code
  }
  const [owner, alice, bob] = KEYS

  const { registry } = await done(owner, 'deploy')
  assert.equal(await refused(3, owner, 'status'), 'EVM_NOT_CONFIGURED')
  env.REGISTRY_ADDRESS = String(registry)
  assert.partialDeepStrictEqual(await done(alice, 'status'), { agents: '0', entry: null })
  await done(alice, 'register', 'alice')
  const { address } = (await done(alice, 'status')) as { address: string }
  const { address: bobs } = (await done(bob, 'status')) as { address: string }
  assert.partialDeepStrictEqual(await done(bob, 'show', address), {
    name: 'alice',
    status: 'online',
    blockedByYou: false,
  })
  assert.equal(await refused(6, alice, 'register', 'again'), 'EVM_CONTRACT_REFUSED')
  assert.equal(await refused(5, alice, 'show', bobs), 'CLI_AGENT_NOT_FOUND')
  assert.equal(await refused(3, undefined, 'block', bobs), 'EVM_NOT_CONFIGURED')
  assert.equal(await refused(3, 'not-a-key', 'block', bobs), 'IDENTITY_ETH_KEY_INVALID')

  await done(owner, 'block', address, '--all')
  assert.partialDeepStrictEqual(await done(alice, 'show', address), { blockedForAll: true })
  await done(owner, 'unblock', address, '--all')
  await done(alice, 'transfer', bobs)
  await done(bob, 'accept', address)
  assert.equal(await refused(5, bob, 'show', address), 'CLI_AGENT_NOT_FOUND')
  await done(bob, 'block', address)
  await done(bob, 'update', '--status', 'offline', '--name', 'bob')
  assert.partialDeepStrictEqual(await done(alice, 'show', bobs), { name: 'bob', status: 'offline' })

  await anvil.stop()
  assert.equal(await refused(4, alice, 'status'), 'EVM_UNREACHABLE')
})
