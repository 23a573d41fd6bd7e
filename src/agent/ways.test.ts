import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AGENTS_NETWORK, agentOf, preKeysOf } from '../../test/support/agents.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom, utf8 } from '../base/index.ts'
import { Sealer } from './seal.ts'
import { AgentWays, type Finder } from './ways.ts'

const NOW_MS = 1_800_000_000_000
const [alice, bob] = [agentOf(1), agentOf(2)]
const draft = {
  id: '0'.repeat(32),
  to: bob.eth.address,
  body: utf8('hello'),
  sentAt: NOW_MS,
  expiresAt: NOW_MS + 60_000,
}

function setup(find: Finder['find']) {
  const clock = new FakeClock(NOW_MS)
  const { peer: self } = alice.node
  const room = { self, network: AGENTS_NETWORK, clock }
  const sealer = new Sealer({ ...room, random: seededRandom('ways'), from: self })
  const forgotten: string[] = []
  const ways = new AgentWays({
    ...room,
    sealer,
    signer: alice.node,
    binding: () => undefined,
    finder: { find, forget: (address) => void forgotten.push(address) },
    rpc: { call: async () => null },
    connect: async () => undefined,
    pubsub: null,
    mailbox: null,
  })
  const { signal } = new AbortController()
  const seal = () => ways.seal(draft, undefined, { signal, afresh: false })
  return { ways, seal, clock, forgotten }
}

test('a record whose keys are over is looked for afresh, once, before nothing can be sealed', async () => {
  const keys = await preKeysOf(bob, new FakeClock(NOW_MS)).current()
  const asked: (boolean | undefined)[] = []
  const { peer } = bob.node
  const one = setup(async (_, { afresh }) => {
    asked.push(afresh)
    return { peer, preKeys: afresh === true ? keys : [] }
  })
  assert.equal((await one.seal()).peer, peer)
  assert.deepEqual(asked, [false, true])
  const none = setup(async () => ({ peer, preKeys: [] }))
  await assert.rejects(none.seal(), coded('AGENT_RECIPIENT_KEYLESS'))
})

test('where no stream leads to an address, it is looked for afresh the next time; a peer is itself', () => {
  const { ways, forgotten } = setup(async () => undefined)
  ways.lost(bob.eth.address)
  ways.lost(bob.node.peer)
  assert.deepEqual(forgotten, [bob.eth.address])
})
