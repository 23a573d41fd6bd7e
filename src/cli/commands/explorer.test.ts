import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALICE, BOB, type Setup, setup } from '../../../test/support/cli-context.ts'
import { ControlError } from '../../control/errors.ts'
import type { NodeClient } from '../rooms.ts'
import { explorer } from './explorer.ts'

type Status = Awaited<ReturnType<NodeClient['status']>>

const OWN = `0x${'1'.repeat(40)}`

const agent = {
  address: `0x${'2'.repeat(40)}`,
  peer: BOB,
  name: 'bob\u001b[2J',
  connectedSince: 1_000_000 - 60_000,
  lastSeen: 1_000_000,
  status: {
    peers: 1,
    messagesSent: 4,
    messagesReceived: 2,
    uptimeSeconds: 1,
    memoryBytes: 1_024,
    dhtSize: 1,
  },
}

const message = {
  id: 'ab'.repeat(16),
  from: agent.address,
  peer: BOB,
  to: '*',
  data: 'hello',
  sentAt: 1,
  receivedAt: 2,
  broadcast: true,
  cursor: 1,
}

/** A node whose explorer ends after `looks` of it. */
function exploring(looks: number, over: Partial<NodeClient> = {}, given: Setup = {}) {
  const stop = new AbortController()
  let seen = 0
  const node: Partial<NodeClient> = {
    async status() {
      seen += 1
      if (seen === looks) stop.abort()
      const activity = { bytesIn: 0, bytesOut: 0, calls: 0, served: 0 }
      const known = {
        version: '1.2.3',
        network: 'main',
        peers: 1,
        uptimeMs: 5_000,
        ethAddress: OWN,
      }
      return { ...known, activity } as unknown as Status
    },
    peers: async () => [{ peer: ALICE, connections: [], protocols: [] }],
    ping: async () => 1.25,
    agents: async () => [agent],
    messages: async () => ({ messages: [message] }),
    ...over,
  }
  return setup({ node, signal: stop.signal, ...given })
}

test('explorer shows peers, agents and messages, with nothing that moves the cursor', async () => {
  const { context, stdout, seen } = exploring(1)
  await explorer.run(context)
  assert.match(stdout.text, /p2p-foundation 1\.2\.3 · network main · 1 peer · up 5 s/)
  assert.match(stdout.text, /this agent: 0x1{40}\n/)
  assert.ok(stdout.text.includes(ALICE))
  assert.match(stdout.text, /Agents \(1\)\n.*\n +0x2{40} +bob.* 1 min 0 s +4\/2/)
  assert.match(stdout.text, /Messages \(1\)\n +00:00:00Z 0x2{6}…2{4} to everybody hello/)
  assert.ok(!stdout.text.includes('\u001b[2J'))
  assert.equal(seen.closed, 1)
})

test('explorer looks again and again, each time one line of JSON for a program', async () => {
  const { context, clock, stdout } = exploring(3, {}, { json: true, options: { every: '2s' } })
  const running = explorer.run(context)
  for (let i = 0; i < 3; i += 1) await clock.advance(2_000)
  await running
  const looks = stdout.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { agents: unknown })
  assert.equal(looks.length, 3)
  assert.deepEqual(looks[0]?.agents, [agent])
})

test('explorer says what a node without an agent lacks, and hides no other failure', async () => {
  const off = async () => {
    throw ControlError.AGENT_UNAVAILABLE({})
  }
  const { context, stdout } = exploring(1, { agents: off, messages: off })
  await explorer.run(context)
  assert.equal(stdout.text.match(/speaks for no agent: start it with PRIVATE_KEY/g)?.length, 2)
  const broken = exploring(9, {
    agents: async () => {
      throw new TypeError('broken')
    },
  })
  await assert.rejects(explorer.run(broken.context), /broken/)
})
