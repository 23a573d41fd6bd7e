/** Two agents find each other by Ethereum address, over a first peer that both know. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANNOUNCEMENTS_TOPIC } from '../../src/agent/index.ts'
import { secureRandom, systemClock, utf8 } from '../../src/base/index.ts'
import { encodeEthValue, ethRecordKey } from '../../src/dht/index.ts'
import { ethSigner, loadKeys, newEthKey, signBinding } from '../../src/identity/index.ts'
import { coded } from '../support/expect.ts'
import { addressOf, eventually, findAgent, type TestNode, testNode } from '../support/nodes.ts'

const agent = { enabled: true }

/** A first peer that serves the DHT, and two agents that only ask it. */
async function trio(): Promise<readonly [TestNode, TestNode, TestNode]> {
  const first = await testNode({ agent, dht: { mode: 'server' } })
  const bootstrap = { nodes: [addressOf(first, 'tcp')] }
  const options = { agent, bootstrap, dht: { mode: 'client' as const } }
  return [first, await testNode(options), await testNode(options)]
}

test('agents that only ask the DHT find each other by address over the one peer both know', async () => {
  const [first, alice, bob] = await trio()
  await using stack = new AsyncDisposableStack()
  for (const each of [first, alice, bob]) stack.use(each)
  const { ethAddress } = bob.node
  assert.match(ethAddress ?? '', /^0x[0-9a-fA-F]{40}$/)
  assert.equal(bob.node.status().ethAddress, ethAddress)

  const found = await eventually(() => findAgent(alice.node, ethAddress ?? ''))
  assert.equal(found.peer, bob.node.peerId)
  assert.equal(found.binding.address, ethAddress)
  assert.ok(found.preKeys.length > 0)
  const addresses = await eventually(async () => {
    const told = (await findAgent(alice.node, ethAddress ?? ''))?.addresses ?? []
    return told.length > 0 ? told : undefined
  })
  assert.ok(addresses.every((address) => bob.node.addresses.includes(address)))
  assert.equal(await alice.node.connect(found.peer), bob.node.peerId)

  const own = await alice.node.agents.find(alice.node.ethAddress ?? '')
  assert.equal(own?.peer, alice.node.peerId)
  const nobody = ethSigner(newEthKey(secureRandom)).address
  assert.equal(await alice.node.agents.find(nobody), undefined)
})

test('a node that nobody answers does not say that nobody has a record', async () => {
  await using alone = await testNode({ agent })
  const nobody = ethSigner(newEthKey(secureRandom)).address
  const isUncertain = coded('AGENT_RECORD_UNCERTAIN')
  await assert.rejects(alone.node.agents.find(nobody), isUncertain)
  const { state, reason } = (await alone.node.agent?.send(nobody, utf8('hello'))) ?? {}
  assert.equal(state, 'queued')
  assert.match(reason ?? '', /nobody could be asked for its record/)
})

test('the record of an agent outlives what was said on topics, and comes from the DHT alone', async () => {
  const options = { agent: { ...agent, announce: false, statusPrivacy: 'none' as const } }
  await using first = await testNode()
  const bootstrap = { nodes: [addressOf(first, 'tcp')] }
  await using alice = await testNode({ ...options, bootstrap })
  await using bob = await testNode({ ...options, bootstrap })
  const { ethAddress } = bob.node
  const found = await eventually(() => findAgent(alice.node, ethAddress ?? ''))
  assert.equal(found.peer, bob.node.peerId)
  assert.ok(found.preKeys.length > 0)
  assert.deepEqual(alice.node.agents.list(), [])
})

test('a record that the peer signed and the address did not is stored by nobody', async () => {
  await using first = await testNode()
  await using forger = await testNode({ bootstrap: { nodes: [addressOf(first, 'tcp')] } })
  await eventually(async () => forger.node.dht.buckets()[0]?.peers[0])
  const { signer: node } = (await loadKeys(forger.node.dataDir.keyFile)) ?? assert.fail()
  const victim = ethSigner(newEthKey(secureRandom))
  const other = ethSigner(newEthKey(secureRandom))
  const version = systemClock.now()
  const times = { version, issuedMs: version, expiresMs: version + 3_600_000 }
  const eth = { address: victim.address, signMessage: other.signMessage }
  const binding = await signBinding(times, { eth, node }, 'test')
  const options = { version, signal: AbortSignal.timeout(20_000) }
  const key = ethRecordKey(victim.address)
  const value = encodeEthValue({ binding, preKeys: [] })
  const { stored, failed } = await forger.node.dht.put(key, value, options)
  assert.deepEqual(stored, [])
  assert.deepEqual(
    failed.map(({ peer, code }) => [peer, code]),
    [
      [forger.node.peerId, 'IDENTITY_BINDING_INVALID'],
      [first.node.peerId, 'DHT_PUT_REFUSED'],
    ],
  )
  assert.equal((await first.node.dht.get(key)).value, null)
})

test('agents hear who comes, how it is, and that it leaves', async () => {
  await using first = await testNode({ agent })
  const bootstrap = { nodes: [addressOf(first, 'tcp')] }
  const named = { agent: { ...agent, name: 'bob', statusIntervalMs: 10_000 }, bootstrap }
  const bob = await testNode(named)
  try {
    const heard = await eventually(async () => first.node.agents.list()[0])
    assert.deepEqual(
      [heard.address, heard.peer, heard.name],
      [bob.node.ethAddress, bob.node.peerId, 'bob'],
    )
    const { status } = await eventually(async () => {
      return first.node.agents.list().find((each) => each.status !== undefined)
    })
    assert.ok(status !== undefined && status.peers >= 1 && status.memoryBytes > 0)
  } finally {
    await bob[Symbol.asyncDispose]()
  }
  await eventually(async () => first.node.agents.list().length === 0 || undefined)
})

test('right after connecting no word of an agent is too much, and what is said is passed on', async () => {
  await using first = await testNode({ agent })
  const bootstrap = { nodes: [addressOf(first, 'tcp')] }
  await using second = await testNode({ agent, bootstrap })
  const hears = async (peer: string) => {
    return first.node.agents.list().some((each) => each.peer === peer) || undefined
  }
  await eventually(() => hears(second.node.peerId))
  {
    await using bob = await testNode({ agent, bootstrap: { nodes: [addressOf(second, 'tcp')] } })
    await eventually(() => hears(bob.node.peerId))
  }
  await eventually(async () => first.node.agents.list().length === 1 || undefined)
  for (const { node } of [first, second]) {
    assert.equal(await node.registry.total('p2p_pubsub_refusals', { reason: 'rate' }), 0)
  }
})

test('who comes later, at another node, hears within seconds who was there', async () => {
  const silent = { ...agent, statusPrivacy: 'none' as const }
  await using first = await testNode({ agent: silent })
  const bootstrap = { nodes: [addressOf(first, 'tcp')] }
  await using early = await testNode({ agent: silent, bootstrap })
  const heard = (at: TestNode) => at.node.agents.list().map(({ peer }) => peer)
  await eventually(async () => heard(first).includes(early.node.peerId) || undefined)
  await using late = await testNode({ agent: silent, bootstrap })
  await eventually(async () => heard(late).length === 2 || undefined)
  await eventually(async () => heard(early).includes(late.node.peerId) || undefined)
})

test('what an agent said is nothing in the mouth of another, also word by word', async () => {
  await using first = await testNode({ agent })
  const bootstrap = { nodes: [addressOf(first, 'tcp')] }
  await using forger = await testNode({ bootstrap })
  // It has no rules for the topic: it takes and says whatever is CBOR.
  const heard = forger.node.subscribe(ANNOUNCEMENTS_TOPIC)
  const bob = await testNode({ agent, bootstrap })
  try {
    await eventually(async () => first.node.agents.list()[0])
  } finally {
    await bob[Symbol.asyncDispose]()
  }
  await eventually(async () => first.node.agents.list().length === 0 || undefined)
  const refused = () => first.node.registry.total('p2p_pubsub_refusals', { reason: 'author' })
  assert.equal(await refused(), 0)
  for await (const { from, value } of heard) {
    if (from !== bob.node.peerId) continue
    const { peers } = await forger.node.publish(ANNOUNCEMENTS_TOPIC, value)
    assert.equal(peers, 1)
    break
  }
  await eventually(async () => (await refused()) > 0 || undefined)
  assert.deepEqual(first.node.agents.list(), [])
})

test('a node without an agent has no address and says so', async () => {
  await using alone = await testNode()
  assert.equal(alone.node.ethAddress, null)
  assert.throws(() => alone.node.agents.list(), coded('NODE_SECTION_OFF'))
})
