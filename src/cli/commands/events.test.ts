import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALICE, BOB, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import type { StreamEvent } from '../../control/index.ts'
import { events } from './events.ts'

const atMs = 0
const HAPPENED: readonly StreamEvent[] = [
  { event: 'ready', atMs, peerId: ALICE, listen: [], version: '1.2.3' },
  { event: 'peer-connected', atMs, peer: BOB },
  { event: 'peer-disconnected', atMs, peer: BOB },
  { event: 'addresses-changed', atMs, listen: ['/ip4/192.0.2.1/tcp/1'] },
  { event: 'service-exposed', atMs, service: 'calc', state: 'ready', tools: 1 },
  { event: 'service-withdrawn', atMs, service: 'calc' },
  { event: 'call-served', atMs, tool: 'a\u001b[2Jdd', peer: BOB, ms: 3.4, code: 'ok' },
  {
    event: 'health-changed',
    atMs,
    health: { status: 'degraded', reasons: ['no peers'], alive: true, ready: true },
  },
  { event: 'agent', atMs, state: 'here', address: '0xA1', peer: BOB, name: 'bob\u001b[2J' },
  { event: 'agent', atMs, state: 'left', address: '0xA1', peer: BOB, name: '' },
  { event: 'delivery', atMs, id: 'm1', to: '0xA1', state: 'delivered' },
  { event: 'delivery', atMs, id: 'm2', to: BOB, state: 'queued', reason: 'it is away' },
  { event: 'notice', atMs, text: 'port 9000 is in use' },
  { event: 'lagged', missed: 7 },
]

async function* happened(): AsyncGenerator<StreamEvent> {
  yield* HAPPENED
}

test('events prints a line for each, with what strangers say made harmless', async () => {
  const { context, stdout, seen } = setup({ node: { events: happened } })
  await assert.rejects(events.run(context), coded('CLI_NODE_STOPPED'))
  assert.deepEqual(
    stdout.text
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^1970-01-01T00:00:00Z /, '').replace(/ +/g, ' ')),
    [
      `ready ${ALICE}, version 1.2.3`,
      `peer-connected ${BOB}`,
      `peer-disconnected ${BOB}`,
      'addresses-changed /ip4/192.0.2.1/tcp/1',
      'service-exposed calc is ready with 1 tool',
      'service-withdrawn calc',
      `call-served add for ${BOB} in 3 ms: ok`,
      'health-changed degraded; no peers',
      'agent 0xA1 bob here',
      'agent 0xA1 left',
      'delivery m1 to 0xA1: delivered',
      `delivery m2 to ${BOB}: queued, it is away`,
      'notice port 9000 is in use',
      'lagged 7 events were not shown: too many at once',
    ],
  )
  assert.equal(seen.closed, 1)
})

test('events --json prints what the node sent, one object in a line', async () => {
  const { context, stdout } = setup({ node: { events: happened }, json: true })
  await assert.rejects(events.run(context), coded('CLI_NODE_STOPPED'))
  const lines = stdout.text.trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    HAPPENED,
  )
})

test('events ends well when it is told to stop', async () => {
  const stop = new AbortController()
  async function* endless(): AsyncGenerator<StreamEvent> {
    yield* HAPPENED
    stop.abort()
    stop.signal.throwIfAborted()
  }
  const { context } = setup({ node: { events: endless }, signal: stop.signal })
  await events.run(context)
})
