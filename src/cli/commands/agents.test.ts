import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOB, setup } from '../../../test/support/cli-context.ts'
import type { ControlClient } from '../../control/index.ts'
import { agents } from './agents.ts'

const ADDRESS = `0x${'1'.repeat(40)}`
const status = {
  peers: 3,
  messagesSent: 12,
  messagesReceived: 7,
  uptimeSeconds: 90,
  memoryBytes: 10 * 1_024 ** 2,
  dhtSize: 6,
}
type Here = Awaited<ReturnType<ControlClient['agents']>>
type Found = Awaited<ReturnType<ControlClient['agentFind']>>

const bob: Here[number] = {
  address: ADDRESS,
  peer: BOB,
  name: 'bob\u001b[2J',
  connectedSince: 1_000_000 - 90_000,
  lastSeen: 1_000_000,
  status,
}
const { status: _, ...shy } = { ...bob, name: '' }

test('agents prints the agents as they are', async () => {
  const { context, printed } = setup({ node: { agents: async () => [bob] }, json: true })
  await agents.run(context)
  assert.deepEqual(printed(), [bob])
})

test('agents gives a person one row for each, with nothing that moves the cursor', async () => {
  const { context, stdout, seen } = setup({ node: { agents: async () => [bob, shy] } })
  await agents.run(context)
  const rows = stdout.text.trim().split('\n')
  assert.equal(rows.length, 3)
  assert.match(rows[1] ?? '', new RegExp(`^${ADDRESS} +bob.* +1 min 30 s +3 +12/7 +10.* ${BOB}`))
  assert.ok(!stdout.text.includes('\u001b[2J'))
  assert.equal(seen.closed, 1)
})

test('agents wraps no row in a terminal of 80 columns, and keeps what it is asked for', async () => {
  const named = { ...bob, name: 'n'.repeat(64) }
  for (const here of [[bob], [bob, shy], [named]]) {
    const { context, stdout } = setup({ node: { agents: async () => here }, tty: true })
    await agents.run(context)
    const rows = stdout.text.trimEnd().split('\n')
    for (const row of rows) assert.ok(row.length < 80, row)
    assert.match(rows[1] ?? '', new RegExp(`^${ADDRESS} +(?:bob +1 min 30 s|n+…$)`))
  }
})

test('agents marks those of OpenPond, and says which of them have signed nothing', async () => {
  const pond = { ...bob, name: 'pond' }
  const here = [
    { ...pond, openpond: 'signed' as const },
    { ...pond, openpond: 'unsigned' as const },
  ]
  const { context, stdout } = setup({ node: { agents: async () => here } })
  await agents.run(context)
  assert.match(stdout.text, /pond \(openpond\) .*\n.*pond \(openpond, unsigned\)/)
})

test('agents says so where there are none', async () => {
  const { context, stdout } = setup({ node: { agents: async () => [] } })
  await agents.run(context)
  assert.match(stdout.text, /No agents heard/)
})

test('agents with an address says which peer speaks for it, and how it is written to', async () => {
  const found: Found = {
    address: ADDRESS,
    peer: BOB,
    version: 1,
    expires: 1_000_000 + 3_600_000,
    preKeys: 0,
    addresses: [],
  }
  const asked: string[] = []
  const agentFind = async (address: string) => {
    asked.push(address)
    return found
  }
  const { context, stdout } = setup({ args: [ADDRESS], node: { agentFind } })
  await agents.run(context)
  assert.deepEqual(asked, [ADDRESS])
  assert.match(stdout.text, /both keys, for another 1 h/)
  assert.match(stdout.text, /none: it cannot be written to/)
  assert.match(stdout.text, /nobody told where/)
  const reached = { ...found, preKeys: 2, addresses: ['/ip4/192.0.2.1/tcp/1'] }
  const other = setup({ args: [ADDRESS], node: { agentFind: async () => reached } })
  await agents.run(other.context)
  assert.match(other.stdout.text, /192\.0\.2\.1/)
})

test('agents --watch looks again and again until it is called off', async () => {
  const life = new AbortController()
  let looks = 0
  const look = async () => {
    looks += 1
    if (looks === 2) life.abort()
    return looks === 1 ? [bob] : [shy]
  }
  const options = { watch: true, every: '1ms' }
  const given = { options, node: { agents: look }, signal: life.signal }
  const { context, stdout, clock } = setup(given)
  const running = agents.run(context)
  await clock.advance(10)
  await clock.advance(10)
  await running
  assert.equal(looks, 2)
  assert.match(stdout.text, /1 agent: bob/)
})
