import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentOf, recordValue } from '../../test/support/agents.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { openEthValue } from '../dht/index.ts'
import type { VerifiedNotice } from './notice.ts'
import { type AgentChange, Roster } from './roster.ts'

const NOW_MS = 1_800_000_000_000
const alice = agentOf(1)
const bob = agentOf(2)
const status = {
  peers: 1,
  messagesSent: 2,
  messagesReceived: 3,
  uptimeSeconds: 4,
  memoryBytes: 5,
  dhtSize: 6,
}

function setup() {
  const clock = new FakeClock(NOW_MS)
  const changes: string[] = []
  const told = ({ agent, state }: AgentChange) => changes.push(`${state} ${agent.name}`)
  return { clock, changes, roster: new Roster(clock, told) }
}

async function heard(
  agent = alice,
  over: Partial<VerifiedNotice> & { version?: number } = {},
): Promise<VerifiedNotice> {
  const { version = NOW_MS, ...said } = over
  const value = await recordValue(agent, NOW_MS, { version })
  const record = openEthValue(value, { network: 'test', nowMs: NOW_MS })
  return { record, name: 'alice', isHere: true, atMs: NOW_MS, sinceMs: NOW_MS - 1, ...said }
}

test('an agent is here from its first word until two minutes after its last', async () => {
  const { clock, changes, roster } = setup()
  roster.heard(await heard())
  roster.heard(await heard(alice, { atMs: NOW_MS + 1, status }))
  roster.heard(await heard(bob, { name: 'bob' }))
  assert.deepEqual(changes, ['here alice', 'here bob'])
  assert.deepEqual(
    roster.agents().map(({ name }) => name),
    ['bob', 'alice'],
  )
  await clock.advance(60_000)
  roster.heard(await heard(alice, { atMs: NOW_MS + 60_000 }))
  await clock.advance(60_000)
  assert.deepEqual(
    roster.agents().map(({ name }) => name),
    ['alice'],
  )
  roster.sweep()
  assert.deepEqual(changes, ['here alice', 'here bob', 'left bob'])
  assert.deepEqual(roster.agents()[0]?.status, status, 'what it said of itself is kept')
})

test('who says that it leaves is gone at once, and an older word does not bring it back', async () => {
  const { changes, roster } = setup()
  roster.heard(await heard())
  roster.heard(await heard(alice, { isHere: false, atMs: NOW_MS - 1 }))
  assert.equal(roster.agents().length, 1, 'said before it was heard')
  roster.heard(await heard(alice, { isHere: false, atMs: NOW_MS + 1 }))
  assert.deepEqual([roster.agents(), changes], [[], ['here alice', 'left alice']])
  roster.heard(await heard(alice, { isHere: false, atMs: NOW_MS + 2 }))
  assert.equal(changes.length, 2)
})

test('of two peers of one address the one bound later is the agent', async () => {
  const { changes, roster } = setup()
  const moved = { eth: alice.eth, node: bob.node }
  roster.heard(await heard(moved, { version: NOW_MS + 1, name: 'moved' }))
  roster.heard(await heard(alice, { atMs: NOW_MS + 50 }))
  assert.deepEqual(
    roster.agents().map(({ peer }) => peer),
    [bob.node.peer],
  )
  roster.heard(await heard(alice, { version: NOW_MS + 2, name: 'back' }))
  assert.deepEqual(changes, ['here moved', 'here back'])
})

test('more agents than anybody reads: who was heard longest ago makes room', async () => {
  const { changes, roster } = setup()
  const first = await heard()
  for (let i = 0; i <= 4_096; i += 1) {
    // No signature is looked at here: that is done before.
    const address = `0x${i}` as typeof first.record.binding.address
    const binding = { ...first.record.binding, address }
    roster.heard({ ...first, name: String(i), record: { ...first.record, binding } })
  }
  assert.equal(roster.agents().length, 4_096)
  assert.equal(changes.at(-2), 'left 0')
})
