import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missing, type Setup, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { EvmError, type RegistryWrite } from '../../evm/index.ts'
import { ethAddress } from '../../identity/index.ts'
import type { Command } from '../command.ts'
import type { RegistryRoom } from '../registry-room.ts'
import { NOBODY } from '../registry-words.ts'
import * as commands from './registry.ts'

const [REGISTRY, SELF, BOB] = (['1', '2', '3'] as const).map((digit) =>
  ethAddress(`0x${digit.repeat(40)}`),
) as [typeof NOBODY, typeof NOBODY, typeof NOBODY]
const HASH = `0x${'a'.repeat(64)}` as const
const SIGNER = { address: SELF as unknown as `0x${string}`, publicKey: '0x04ab' } as const
const ENTRY = {
  agent: BOB,
  id: 7n,
  name: 'bob\u001b[2J',
  metadata: '{}',
  status: 'online',
  recovery: null,
  registeredMs: 0,
  updatedMs: 1_000,
  blockedForAll: true,
  successes: 3n,
  failures: 1n,
  offeredTo: SELF,
} as const

/** Runs one command before a registry made of literals; says what it wrote and what it printed. */
async function run(
  command: Command,
  given: Pick<Setup, 'args' | 'options' | 'json'>,
  parts: Partial<RegistryRoom> = {},
) {
  const written: RegistryWrite[] = []
  const room = missing<RegistryRoom>('registry', {
    host: 'chain.example',
    address: () => REGISTRY,
    signer: async () => SIGNER,
    chainId: async () => 31_337n,
    facts: async () => ({ owner: BOB, agentCount: 2n }),
    entry: async (agent) => (agent === BOB ? ENTRY : undefined),
    isBlockedBy: async () => true,
    async write(call, { sent }) {
      written.push(call)
      sent?.(HASH)
      return { hash: HASH, block: 5n }
    },
    ...parts,
  })
  const { context, stdout, stderr, printed } = setup({
    ...given,
    rooms: { registry: async () => room },
  })
  await command.run(context)
  return { written, text: stdout.text, notes: stderr.text, printed }
}

const noKey = async () => {
  throw EvmError.NOT_CONFIGURED({ what: 'the key to sign with', where: 'env:PRIVATE_KEY' })
}

test('registry status shows chain, contract and whether we are registered', async () => {
  const { text } = await run(commands.registryStatus, {})
  assert.match(text, /31337 at chain\.example/)
  assert.match(text, /You are not registered\./)
  const { printed } = await run(commands.registryStatus, { json: true })
  assert.deepEqual(printed(), {
    host: 'chain.example',
    chainId: '31337',
    registry: REGISTRY,
    owner: BOB,
    agents: '2',
    address: SELF,
    entry: null,
  })
  const keyless = await run(commands.registryStatus, {}, { signer: noKey })
  assert.match(keyless.text, /nobody: PRIVATE_KEY is not set/)
  const known = await run(commands.registryStatus, {}, { entry: async () => ENTRY })
  assert.match(known.text, /3 good, 1 bad/)
  const broken = async () => assert.fail('broken')
  await assert.rejects(run(commands.registryStatus, {}, { signer: broken }), /broken/)
})

test('registry show prints an entry without the tricks of its owner', async () => {
  const { text } = await run(commands.registryShow, { args: [BOB] })
  assert.match(text, /Name +bob$/m)
  assert.match(text, /online, blocked for all/)
  assert.match(text, /You have blocked it\./)
  assert.match(text, new RegExp(`Offered +to ${SELF}`))
  const { printed } = await run(
    commands.registryShow,
    { args: [BOB], json: true },
    { signer: noKey },
  )
  const { id, successes, blockedByYou } = printed() as Record<string, unknown>
  assert.deepEqual([id, successes, blockedByYou], ['7', '3', false])
  await assert.rejects(run(commands.registryShow, { args: [SELF] }), coded('CLI_AGENT_NOT_FOUND'))
  await assert.rejects(run(commands.registryShow, { args: ['bob'] }), coded('CLI_USAGE'))
})

test('registry register says who to encrypt for, unless told what to say', async () => {
  const usual = await run(commands.registryRegister, { args: ['me'] })
  const metadata = '{"encryptionKey":"0x04ab"}'
  assert.deepEqual(usual.written, [{ name: 'registerAgent', args: ['me', metadata, NOBODY] }])
  assert.match(usual.notes, new RegExp(`Sent transaction ${HASH}`))
  assert.match(usual.text, /registerAgent is in block 5/)
  const options = { metadata: '{}', recovery: BOB }
  const own = await run(commands.registryRegister, { args: ['me'], options, json: true })
  assert.deepEqual(own.written, [{ name: 'registerAgent', args: ['me', '{}', BOB] }])
  const report = { call: 'registerAgent', registry: REGISTRY, hash: HASH, block: '5' }
  assert.deepEqual(own.printed(), report)
})

test('registry update sends one transaction for each change, and none for none', async () => {
  const options = { name: 'n', metadata: 'm', recovery: 'none', status: 'discontinued' }
  const { written } = await run(commands.registryUpdate, { options })
  assert.deepEqual(written, [
    { name: 'updateName', args: ['n'] },
    { name: 'updateMetadata', args: ['m'] },
    { name: 'setRecovery', args: [NOBODY] },
    { name: 'setStatus', args: [2] },
  ])
  const { printed } = await run(commands.registryUpdate, { options, json: true })
  const { transactions } = printed() as { transactions: { call: string }[] }
  assert.deepEqual(
    transactions.map(({ call }) => call),
    written.map(({ name }) => name),
  )
  await assert.rejects(run(commands.registryUpdate, {}), coded('CLI_USAGE'))
})

test('transfer, accept, recover, block and unblock take one address', async () => {
  const all = { all: true }
  for (const [command, name, options] of [
    [commands.registryTransfer, 'transferAgent', {}],
    [commands.registryAccept, 'acceptAgent', {}],
    [commands.registryRecover, 'recoverAgent', {}],
    [commands.registryBlock, 'blockAgent', {}],
    [commands.registryBlock, 'blockForAll', all],
    [commands.registryUnblock, 'unblockAgent', {}],
    [commands.registryUnblock, 'unblockForAll', all],
  ] as const) {
    const { written, text } = await run(command, { args: [BOB], options })
    assert.deepEqual(written, [{ name, args: [BOB] }])
    assert.equal(/registry_cache, 5 minutes/.test(text), /block/.test(name), 'a block is late')
    await assert.rejects(run(command, { args: [] }), coded('CLI_USAGE'))
  }
})

test('rate and rater take an address and a word', async () => {
  for (const [command, word, call] of [
    [commands.registryRate, 'good', { name: 'reportInteraction', args: [BOB, true] }],
    [commands.registryRate, 'bad', { name: 'reportInteraction', args: [BOB, false] }],
    [commands.registryRater, 'on', { name: 'setCanRate', args: [BOB, true] }],
    [commands.registryRater, 'off', { name: 'setCanRate', args: [BOB, false] }],
  ] as const) {
    assert.deepEqual((await run(command, { args: [BOB, word] })).written, [call])
    await assert.rejects(run(command, { args: [BOB, 'so-so'] }), coded('CLI_USAGE'))
  }
})

test('registry deploy says how to use what it made', async () => {
  const deploy = async () => ({ contract: REGISTRY, hash: HASH, block: 9n })
  const { text } = await run(commands.registryDeploy, {}, { deploy })
  assert.match(text, new RegExp(`REGISTRY_ADDRESS=${REGISTRY}`))
})
