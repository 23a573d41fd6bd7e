/** The registry's contract on a real chain: each thing it does, and each thing it refuses. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatLog, parseEventLogs, type RpcLog } from 'viem'
import { events } from '../../src/evm/agent-registry/events.ts'
import {
  AGENT_METADATA_BYTES_MAX,
  AGENT_NAME_BYTES_MAX,
  AgentRegistry,
  type RegistryWrite,
} from '../../src/evm/index.ts'
import { type EthAddress, ethAddress } from '../../src/identity/index.ts'
import { coded } from '../support/expect.ts'
import { missing } from './anvil.ts'
import { registryNet, type User } from './fixture.ts'

assert.equal(missing(), undefined)

const NOBODY = ethAddress(`0x${'0'.repeat(40)}`)
const STRANGER = ethAddress(`0x${'1'.repeat(40)}`)

const register = (name: string, recovery: EthAddress = NOBODY, metadata = '{}'): RegistryWrite => {
  return { name: 'registerAgent', args: [name, metadata, recovery] }
}

async function net() {
  const made = await registryNet()
  const [alice, bob, carol, dora] = made.others as [User, User, User, User]
  const refusal = async (user: User, call: RegistryWrite): Promise<string> => {
    const failed = await made.write(user, call).then(
      () => undefined,
      (error: unknown) => error,
    )
    const { code, facts } = failed as { code: string; facts: { refusal: string } }
    assert.equal(code, 'EVM_CONTRACT_REFUSED')
    return facts.refusal
  }
  return { ...made, alice, bob, carol, dora, refusal }
}

test('register, look up, change: an entry says what its agent said', async () => {
  await using at = await net()
  const { alice, bob, registry, write, refusal } = at
  assert.equal(await registry.entry(alice.address), undefined)
  const metadata = JSON.stringify({ encryptionKey: alice.signer.publicKey })
  await write(alice, register('alice', bob.address, metadata))
  const entry = await registry.entry(alice.address)
  assert.partialDeepStrictEqual(entry, {
    agent: alice.address,
    id: 1n,
    name: 'alice',
    metadata,
    status: 'online',
    recovery: bob.address,
    blockedForAll: false,
    offeredTo: null,
  })
  assert.equal(await refusal(alice, register('again')), 'AlreadyRegistered')

  await write(alice, { name: 'updateName', args: ['Alice'] })
  await write(alice, { name: 'updateMetadata', args: [''] })
  await write(alice, { name: 'setRecovery', args: [NOBODY] })
  await write(alice, { name: 'setStatus', args: [1] })
  assert.partialDeepStrictEqual(await registry.entry(alice.address), {
    name: 'Alice',
    metadata: '',
    recovery: null,
    status: 'offline',
  })
  await write(alice, { name: 'setStatus', args: [2] })
  assert.equal(await refusal(alice, { name: 'setStatus', args: [0] }), 'AlreadyDiscontinued')
  const standing = await registry.standing(alice.address, bob.address)
  assert.deepEqual(
    [standing.registered, standing.status, (await registry.facts()).agentCount],
    [true, 'discontinued', 1n],
  )
  for (const call of [
    { name: 'updateName', args: ['x'] },
    { name: 'updateMetadata', args: ['x'] },
    { name: 'setStatus', args: [0] },
    { name: 'setRecovery', args: [NOBODY] },
    { name: 'blockAgent', args: [alice.address] },
    { name: 'unblockAgent', args: [alice.address] },
    { name: 'transferAgent', args: [alice.address] },
  ] satisfies RegistryWrite[]) {
    assert.equal(await refusal(bob, call), 'NotRegistered', call.name)
  }
})

test('names and metadata have limits in bytes, and the limit itself fits', async () => {
  await using at = await net()
  const { alice, bob, registry, write, refusal } = at
  const longest = 'é'.repeat(AGENT_NAME_BYTES_MAX / 2)
  const metadata = 'm'.repeat(AGENT_METADATA_BYTES_MAX)
  assert.equal(await refusal(alice, register(`${longest}e`)), 'NameSize')
  assert.equal(await refusal(alice, register('')), 'NameSize')
  assert.equal(await refusal(alice, register('a', NOBODY, `${metadata}m`)), 'MetadataSize')
  assert.equal(await refusal(alice, register('a', alice.address)), 'AddressUnusable')
  await write(alice, register(longest, bob.address, metadata))
  const entry = await registry.entry(alice.address)
  assert.deepEqual([entry?.name, entry?.metadata], [longest, metadata])
})

test('an entry moves only to who takes it, and what belongs to the agent moves along', async () => {
  await using at = await net()
  const { alice, bob, carol, dora, owner, registry, write, refusal } = at
  await write(alice, register('alice'))
  await write(alice, { name: 'blockAgent', args: [dora.address] })
  await write(owner, { name: 'setCanRate', args: [carol.address, true] })
  await write(carol, { name: 'reportInteraction', args: [alice.address, true] })
  const take = { name: 'acceptAgent', args: [alice.address] } as const

  assert.equal(await refusal(bob, take), 'NotOffered')
  await write(alice, { name: 'transferAgent', args: [bob.address] })
  assert.equal((await registry.entry(alice.address))?.offeredTo, bob.address)
  assert.equal(await refusal(carol, take), 'NotOffered')
  await write(alice, { name: 'transferAgent', args: [NOBODY] })
  assert.equal(await refusal(bob, take), 'NotOffered')
  await write(alice, { name: 'transferAgent', args: [bob.address] })
  await write(bob, take)

  assert.equal(await registry.entry(alice.address), undefined)
  assert.partialDeepStrictEqual(await registry.entry(bob.address), {
    name: 'alice',
    id: 1n,
    successes: 1n,
  })
  assert.equal(await registry.isBlockedBy(bob.address, dora.address), true)
  assert.equal((await registry.standing(dora.address, bob.address)).blockedByReceiver, true)
  assert.equal(await refusal(bob, take), 'NotOffered', 'an offer is taken once')
  await write(alice, register('alice anew'))
  await write(alice, { name: 'transferAgent', args: [bob.address] })
  assert.equal(await refusal(bob, take), 'AlreadyRegistered')
})

test('the recovery address takes an entry, and a block of the owner is not shaken off', async () => {
  await using at = await net()
  const { alice, bob, carol, owner, registry, write, refusal } = at
  await write(alice, register('alice', bob.address))
  const recover = { name: 'recoverAgent', args: [alice.address] } as const
  assert.equal(await refusal(carol, recover), 'NotRecovery')
  const nobodys = { name: 'recoverAgent', args: [carol.address] } as const
  assert.equal(await refusal(bob, nobodys), 'NotRegistered')
  assert.equal(await refusal(bob, { name: 'blockForAll', args: [alice.address] }), 'NotOwner')
  await write(owner, { name: 'blockForAll', args: [alice.address] })
  const offer = { name: 'transferAgent', args: [carol.address] } as const
  assert.equal(await refusal(alice, offer), 'BlockedForAll')
  await write(bob, recover)
  assert.partialDeepStrictEqual(await registry.entry(bob.address), {
    name: 'alice',
    recovery: null,
    blockedForAll: true,
  })
  assert.equal(await refusal(alice, register('fresh')), 'BlockedForAll')
  await write(owner, { name: 'unblockForAll', args: [alice.address] })
  await write(alice, register('fresh'))
})

test('who takes an entry that was offered has it alone: the recovery address stays behind', async () => {
  await using at = await net()
  const { alice, bob, carol, registry, write, refusal } = at
  await write(alice, register('alice', carol.address))
  await write(alice, { name: 'transferAgent', args: [bob.address] })
  await write(bob, { name: 'acceptAgent', args: [alice.address] })
  assert.equal((await registry.entry(bob.address))?.recovery, null)
  const back = { name: 'recoverAgent', args: [bob.address] } as const
  assert.equal(await refusal(carol, back), 'NotRecovery')
  // Who has an entry of its own cannot recover another's to the same address.
  await write(bob, { name: 'setRecovery', args: [carol.address] })
  await write(carol, register('carol'))
  assert.equal(await refusal(carol, back), 'AlreadyRegistered')
})

test('what was discontinued stays so, whoever takes it, and is not registered anew', async () => {
  await using at = await net()
  const { alice, bob, registry, write, refusal } = at
  await write(alice, register('alice', bob.address))
  await write(alice, { name: 'setStatus', args: [2] })
  assert.equal(await refusal(alice, { name: 'setStatus', args: [0] }), 'AlreadyDiscontinued')
  assert.equal(await refusal(alice, register('alice')), 'AlreadyRegistered')
  await write(bob, { name: 'recoverAgent', args: [alice.address] })
  const { registered, status } = await registry.standing(bob.address, alice.address)
  assert.deepEqual([registered, status], [true, 'discontinued'])
  await write(alice, register('alice anew'))
  assert.equal((await registry.standing(alice.address, bob.address)).status, 'online')
})

test('an agent blocks for itself, the owner for all; both are taken back', async () => {
  await using at = await net()
  const { alice, bob, owner, registry, write, refusal } = at
  await write(alice, register('alice'))
  const standing = async () => {
    const found = await registry.standing(bob.address, alice.address)
    return [found.blockedByReceiver, found.blockedForAll]
  }
  assert.deepEqual(await standing(), [false, false])
  await write(alice, { name: 'blockAgent', args: [bob.address] })
  assert.deepEqual(await standing(), [true, false])
  await write(owner, { name: 'blockForAll', args: [bob.address] })
  assert.deepEqual(await standing(), [true, true])
  await write(alice, { name: 'unblockAgent', args: [bob.address] })
  await write(owner, { name: 'unblockForAll', args: [bob.address] })
  assert.deepEqual(await standing(), [false, false])
  const own = { name: 'blockAgent', args: [alice.address] } as const
  assert.equal(await refusal(alice, own), 'AddressUnusable')
})

test('who was blocked moves its entry and is blocked there, until that is taken back', async () => {
  await using at = await net()
  const { alice, bob, carol, dora, registry, write } = at
  await write(alice, register('alice'))
  await write(bob, register('bob', dora.address))
  await write(alice, { name: 'blockAgent', args: [bob.address] })
  const blocked = () => {
    const of = [bob, carol, dora].map(({ address }) => address)
    return Promise.all(of.map((address) => registry.isBlockedBy(alice.address, address)))
  }
  assert.deepEqual(await blocked(), [true, false, false])
  await write(bob, { name: 'transferAgent', args: [carol.address] })
  await write(carol, { name: 'acceptAgent', args: [bob.address] })
  assert.deepEqual(await blocked(), [true, true, false])
  assert.equal((await registry.standing(carol.address, alice.address)).blockedByReceiver, true)
  await write(carol, { name: 'setRecovery', args: [dora.address] })
  await write(dora, { name: 'recoverAgent', args: [carol.address] })
  assert.deepEqual(await blocked(), [true, false, true])
  await write(alice, { name: 'unblockAgent', args: [dora.address] })
  assert.deepEqual(await blocked(), [true, false, false])
  await write(alice, { name: 'unblockAgent', args: [bob.address] })
  assert.deepEqual(await blocked(), [false, false, false])
})

test('only raters of the owner rate, never themselves, and not twice in a minute', async () => {
  await using at = await net()
  const { alice, bob, owner, registry, write, refusal, anvil } = at
  await write(alice, register('alice'))
  const rate = { name: 'reportInteraction', args: [alice.address, false] } as const
  assert.equal(await refusal(bob, rate), 'NotRater')
  await write(owner, { name: 'setCanRate', args: [bob.address, true] })
  await write(owner, { name: 'setCanRate', args: [alice.address, true] })
  assert.equal(await refusal(alice, rate), 'OwnRating')
  const none = { name: 'reportInteraction', args: [STRANGER, true] } as const
  assert.equal(await refusal(bob, none), 'NotRegistered')
  await write(bob, rate)
  assert.equal(await refusal(bob, rate), 'RatedTooSoon')
  await anvil.ask('evm_increaseTime', [61])
  await anvil.ask('evm_mine')
  await write(bob, { name: 'reportInteraction', args: [alice.address, true] })
  assert.partialDeepStrictEqual(await registry.entry(alice.address), {
    successes: 1n,
    failures: 1n,
  })
  await write(owner, { name: 'setCanRate', args: [bob.address, false] })
  assert.equal(await refusal(bob, rate), 'NotRater')
})

test('the ownership is taken by whom it is offered to', async () => {
  await using at = await net()
  const { alice, bob, owner, registry, write, refusal } = at
  const take: RegistryWrite = { name: 'acceptOwnership', args: [] }
  assert.equal(await refusal(alice, take), 'NotOffered')
  await write(owner, { name: 'transferOwnership', args: [alice.address] })
  assert.equal(await refusal(bob, take), 'NotOffered')
  await write(alice, take)
  assert.equal((await registry.facts()).owner, alice.address)
  assert.equal(await refusal(owner, { name: 'blockForAll', args: [bob.address] }), 'NotOwner')
})

test('an address without the contract is told from a registry that knows nobody', async () => {
  await using at = await net()
  const { alice, chain } = at
  const wrong = new AgentRegistry(chain, STRANGER)
  const noContract = coded('EVM_NO_CONTRACT')
  await assert.rejects(wrong.standing(alice.address, STRANGER), noContract)
  await assert.rejects(wrong.write(register('alice'), alice.signer), noContract)
})

test('what was done can be read from the events that the chain keeps', async () => {
  await using at = await net()
  const { alice, bob, carol, owner, write } = at
  await write(alice, register('alice', bob.address))
  await write(alice, { name: 'updateName', args: ['Alice'] })
  await write(alice, { name: 'blockAgent', args: [carol.address] })
  await write(owner, { name: 'blockForAll', args: [carol.address] })
  await write(alice, { name: 'transferAgent', args: [bob.address] })
  await write(bob, { name: 'acceptAgent', args: [alice.address] })
  const body = { jsonrpc: '2.0', id: 1, method: 'eth_getLogs', params: [{ fromBlock: 'earliest' }] }
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(at.anvil.url, { method: 'POST', headers, body: JSON.stringify(body) })
  const { result } = (await answer.json()) as { result: RpcLog[] }
  const told = parseEventLogs({ abi: events, logs: result.map((log) => formatLog(log)) })
  const names = told.map(({ eventName }) => eventName)
  assert.deepEqual(names.slice(-6), [
    'AgentRegistered',
    'NameUpdated',
    'AgentBlocked',
    'AgentBlockedForAll',
    'TransferOffered',
    'AgentTransferred',
  ])
  assert.deepEqual(told.at(-1)?.args, { from: alice.address, to: bob.address, id: 1n })
})
