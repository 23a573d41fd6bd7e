import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { registryRoom } from './registry-room.ts'

const data = await mkdtemp(join(tmpdir(), 'p2p-registry-'))
after(() => rm(data, { recursive: true, force: true }))
const flags = { data }
const KEY = '5'.repeat(64)

test('registryRoom() is before the chain and the contract of the environment', async () => {
  const REGISTRY_ADDRESS = `0x${'1'.repeat(40)}`
  const RPC_URL = 'https://chain.example/not-a-real-key-7f3a'
  const room = await registryRoom({ flags, env: { RPC_URL, REGISTRY_ADDRESS, PRIVATE_KEY: KEY } })
  assert.equal(room.host, 'chain.example')
  assert.equal(room.address(), REGISTRY_ADDRESS)
  assert.match((await room.signer()).address, /^0x/)
  assert.equal(JSON.stringify(room).includes('7f3a'), false)
  const aborted = { signal: AbortSignal.abort(new TypeError('enough')) }
  for (const question of [
    room.chainId(aborted),
    room.facts(aborted),
    room.entry(room.address(), aborted),
    room.isBlockedBy(room.address(), room.address(), aborted),
    room.write({ name: 'blockAgent', args: [room.address()] }, aborted),
    room.deploy(aborted),
  ]) {
    await assert.rejects(question, /enough/)
  }
})

test('what is not configured is missed when it is needed, each by its name', async () => {
  await assert.rejects(registryRoom({ flags, env: {} }), /URL of the chain.*env:RPC_URL/)
  const room = await registryRoom({ flags, env: { RPC_URL: 'http://chain.example' } })
  assert.throws(() => room.address(), /env:REGISTRY_ADDRESS/)
  await assert.rejects(room.facts({}), coded('EVM_NOT_CONFIGURED'))
  await assert.rejects(room.signer(), /env:PRIVATE_KEY/)
  await assert.rejects(room.deploy({}), /env:PRIVATE_KEY/)
})
