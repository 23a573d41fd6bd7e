import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Abi,
  encodeAbiParameters,
  encodeErrorResult,
  encodeFunctionResult,
  toFunctionSelector,
} from 'viem'
import { coded } from '../../test/support/expect.ts'
import { fakeChain, type Replies, type Reply } from '../../test/support/fake-chain.ts'
import { ethAddress } from '../identity/index.ts'
import { reads } from './agent-registry/reads.ts'
import { refusals } from './agent-registry/refusals.ts'
import { AgentRegistry, deployRegistry, signerOf } from './contracts.ts'

const KEY = `0x${'5'.repeat(64)}`
const [REGISTRY, ALICE, BOB] = ['1', '2', '3'].map((digit) =>
  ethAddress(`0x${digit.repeat(40)}`),
) as [ReturnType<typeof ethAddress>, ReturnType<typeof ethAddress>, ReturnType<typeof ethAddress>]
const NOBODY = ethAddress(`0x${'0'.repeat(40)}`)

const ENTRY = {
  id: 7n,
  registered: 1_700n,
  updated: 1_800n,
  status: 1,
  recovery: NOBODY as string,
  name: 'alice',
  metadata: '{}',
}
const USUAL = {
  getAgentInfo: ENTRY,
  blockedForAll: false,
  getReputation: [3n, 1n],
  offeredTo: BOB,
  standing: [7n, 0, false, true],
  isBlockedBy: true,
  owner: BOB,
  agentCount: 9n,
}

/** A registry whose functions answer with these values. */
function registryOf(values: Readonly<Record<string, unknown>>, more: Replies = {}) {
  const call = ([{ data }]: readonly unknown[] & readonly [{ data: string }]): Reply => {
    const abi = reads.find((each) => data.startsWith(toFunctionSelector(each)))
    if (abi === undefined) return { result: '0x' }
    const args = { abi: [abi], functionName: abi.name, result: values[abi.name] }
    return { result: encodeFunctionResult(args as never) }
  }
  const eth_call = ((params: readonly unknown[]) => call(params as never)) as Replies[string]
  const made = fakeChain({ eth_call, ...more })
  return { ...made, registry: new AgentRegistry(made.chain, REGISTRY) }
}

test('entry() is everything of an agent, and undefined where there is none', async () => {
  const { registry } = registryOf(USUAL)
  assert.deepEqual(await registry.entry(ALICE), {
    agent: ALICE,
    id: 7n,
    name: 'alice',
    metadata: '{}',
    status: 'offline',
    recovery: null,
    registeredMs: 1_700_000,
    updatedMs: 1_800_000,
    blockedForAll: false,
    successes: 3n,
    failures: 1n,
    offeredTo: BOB,
  })
  const none = registryOf({ ...USUAL, getAgentInfo: { ...ENTRY, id: 0n } })
  assert.equal(await none.registry.entry(ALICE), undefined)
})

test('standing(), isBlockedBy() and facts() answer as the contract does', async () => {
  const { registry, asked } = registryOf(USUAL)
  assert.deepEqual(await registry.standing(ALICE, BOB), {
    registered: true,
    status: 'online',
    blockedForAll: false,
    blockedByReceiver: true,
  })
  assert.equal(asked.length, 1)
  assert.equal(await registry.isBlockedBy(ALICE, BOB), true)
  assert.deepEqual(await registry.facts(), { owner: BOB, agentCount: 9n })
})

test('a contract that keeps no limits is not believed', async () => {
  for (const change of [
    { name: 'n'.repeat(201) },
    { metadata: 'm'.repeat(12_289) },
    { status: 3 },
  ]) {
    const { registry } = registryOf({ ...USUAL, getAgentInfo: { ...ENTRY, ...change } })
    await assert.rejects(registry.entry(ALICE), coded('EVM_ANSWER_MALFORMED'))
  }
})

test('an address without this contract is told apart from an empty registry', async () => {
  const nothing = fakeChain({ eth_call: { result: '0x' } })
  const other = fakeChain({
    eth_call: { result: encodeAbiParameters([{ type: 'bool' }], [true]) },
  })
  for (const { chain } of [nothing, other]) {
    const registry = new AgentRegistry(chain, REGISTRY)
    await assert.rejects(registry.standing(ALICE, BOB), coded('EVM_NO_CONTRACT'))
    await assert.rejects(registry.entry(ALICE), coded('EVM_NO_CONTRACT'))
  }
})

test('a refusal is in words, found before anything is sent', async () => {
  const signer = await signerOf(KEY)
  const rows = [
    [{ errorName: 'NotRegistered', args: [ALICE] }, /has no entry; register it first/],
    [{ errorName: 'NotOwner', args: [ALICE] }, /does not own the registry/],
    [{ errorName: 'NameSize', args: [201n, 200n] }, /the name has 201 bytes; wanted 1 to 200/],
    [{ errorName: 'MetadataSize', args: [9n, 8n] }, /9 bytes; wanted at most 8/],
    [{ errorName: 'NotOffered', args: [ALICE, BOB] }, /has offered nothing to/],
    [{ errorName: 'NotRecovery', args: [ALICE, BOB] }, /is not the recovery address of/],
    [{ errorName: 'NotRater', args: [BOB] }, /the registry's owner names raters/],
    [{ errorName: 'OwnRating', args: [BOB] }, /cannot rate itself/],
    [{ errorName: 'RatedTooSoon', args: [BOB, 60n] }, /again from 60/],
    [{ errorName: 'AddressUnusable', args: [BOB] }, /cannot stand here/],
    [{ errorName: 'AlreadyRegistered', args: [BOB] }, /has an entry already/],
    [{ errorName: 'AlreadyDiscontinued', args: [BOB] }, /for good/],
    [{ errorName: 'BlockedForAll', args: [BOB] }, /blocked for all/],
  ] as const
  assert.equal(rows.length, refusals.length, 'each error of the contract has its words')
  for (const [refusal, words] of rows) {
    const refused: { abi: Abi; errorName: string; args: readonly unknown[] } = {
      abi: refusals,
      ...refusal,
    }
    const data = encodeErrorResult(refused)
    const error = { code: 3, message: 'execution reverted', data }
    const { chain, asked } = fakeChain({ eth_call: { error } })
    const registry = new AgentRegistry(chain, REGISTRY)
    const failed = registry.write({ name: 'blockAgent', args: [BOB] }, signer)
    await assert.rejects(failed, words)
    await assert.rejects(failed, coded('EVM_CONTRACT_REFUSED'))
    assert.deepEqual(new Set(asked.map(({ method }) => method)), new Set(['eth_call']))
  }
  const strange = { code: 3, message: 'execution reverted', data: '0x12345678' }
  const other = new AgentRegistry(fakeChain({ eth_call: { error: strange } }).chain, REGISTRY)
  const failed = other.write({ name: 'blockAgent', args: [BOB] }, signer)
  await assert.rejects(failed, coded('EVM_NO_CONTRACT'))
  const bare = { code: -32_000, message: 'no state' }
  const without = new AgentRegistry(fakeChain({ eth_call: { error: bare } }).chain, REGISTRY)
  await assert.rejects(without.standing(ALICE, BOB), coded('EVM_RPC_FAILED'))
})

test('deployRegistry() says where the contract is, or that nobody knows', async () => {
  const signer = await signerOf(KEY)
  const fees = {
    eth_chainId: { result: '0x7a69' },
    eth_getTransactionCount: { result: '0x0' },
    eth_estimateGas: { result: '0x5208' },
    eth_maxPriorityFeePerGas: { result: '0x1' },
    eth_getBlockByNumber: { result: { number: '0x1', baseFeePerGas: '0x7', transactions: [] } },
    eth_sendRawTransaction: { result: '0x' },
  }
  const mined = (contractAddress: unknown) => {
    const result = { status: '0x1', blockNumber: '0x2', contractAddress }
    return fakeChain({ ...fees, eth_getTransactionReceipt: { result } }).chain
  }
  const made = await deployRegistry(mined(REGISTRY.toLowerCase()), signer)
  assert.equal(made.contract, REGISTRY)
  await assert.rejects(deployRegistry(mined(null), signer), coded('EVM_ANSWER_MALFORMED'))
})

test('signerOf() knows its address, and no error of it repeats the key', async () => {
  const signer = await signerOf(KEY.slice(2))
  assert.match(signer.address, /^0x[0-9a-fA-F]{40}$/)
  assert.match(signer.publicKey, /^0x04[0-9a-f]{128}$/)
  assert.equal(JSON.stringify(signer).includes('5'.repeat(64)), false)
  for (const wrong of ['', `${KEY}5`, `0x${'0'.repeat(64)}`, `0x${'f'.repeat(64)}`]) {
    await assert.rejects(signerOf(wrong), (error: Error) => {
      return coded('IDENTITY_ETH_KEY_INVALID')(error) && !/[0f]{60}|5{60}/.test(String(error.stack))
    })
  }
})
