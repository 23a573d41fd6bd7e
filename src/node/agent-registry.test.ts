import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { registryPlace } from './agent-registry.ts'
import { resolveOptions } from './load-config.ts'

const ADDRESS = `0x${'1'.repeat(40)}`
const URL_TEXT = 'https://chain.example/not-a-real-key-7f3a'
const ENVIRONMENT = { RPC_URL: URL_TEXT, REGISTRY_ADDRESS: ` ${ADDRESS}\n` }
const agent = { enabled: true }

test('the registry is where RPC_URL and REGISTRY_ADDRESS say', async () => {
  const config = resolveOptions({ agent })
  assert.deepEqual(await registryPlace(config, ENVIRONMENT), { url: URL_TEXT, address: ADDRESS })
})

test('or where [evm] says: another variable, a file, an address itself', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-registry-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'url')
  await writeFile(file, `${URL_TEXT}\n`)
  const evm = { rpcUrl: `file:${file}`, registryAddress: ADDRESS }
  const config = resolveOptions({ agent, evm })
  assert.deepEqual(await registryPlace(config, {}), { url: URL_TEXT, address: ADDRESS })
  const bad = resolveOptions({ agent, evm: { ...evm, registryAddress: 'env:WRONG' } })
  await assert.rejects(
    registryPlace(bad, { WRONG: 'nowhere' }),
    coded('IDENTITY_ETH_ADDRESS_INVALID'),
  )
})

test('without both there is none, which a node that wants entries does not start with', async () => {
  for (const [left, where] of [
    ['RPC_URL', /address.*env:REGISTRY_ADDRESS/],
    ['REGISTRY_ADDRESS', /URL of the chain.*env:RPC_URL/],
  ] as const) {
    const environment = { [left]: ENVIRONMENT[left] }
    assert.equal(await registryPlace(resolveOptions({ agent }), environment), null)
    const strict = resolveOptions({ agent: { ...agent, requireRegistered: true } })
    const failed = registryPlace(strict, environment)
    await assert.rejects(failed, coded('EVM_NOT_CONFIGURED'))
    await assert.rejects(failed, where)
  }
})

test('a node that is no agent looks for no registry', async () => {
  assert.equal(await registryPlace(resolveOptions({}), ENVIRONMENT), null)
})

test('a URL in the configuration is refused, for the configuration is shown', () => {
  assert.throws(
    () => resolveOptions({ evm: { rpcUrl: URL_TEXT } }),
    (error: Error) => {
      return coded('NODE_CONFIG_INVALID')(error) && !error.message.includes('7f3a')
    },
  )
})
