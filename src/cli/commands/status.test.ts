import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALICE, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import type { NodeStatus } from '../../node/index.ts'
import { status } from './status.ts'

const found: NodeStatus = {
  peerId: ALICE,
  ethAddress: null,
  words: 'one-two-three',
  listen: ['/ip4/127.0.0.1/tcp/9000'],
  peers: 2,
  network: 'main',
  version: '0.1.0',
  health: { status: 'degraded', reasons: ['no peers: add one'], alive: true, ready: true },
  quic: { state: 'unavailable', reason: 'the addon does not load', remedy: 'Install it' },
  tunnel: { state: 'off' },
  uptimeMs: 65_000,
  dataDir: '/data',
}

test('status prints the shape of the contract', async () => {
  const { context, printed, seen } = setup({ node: { status: async () => found }, json: true })
  await status.run(context)
  assert.deepEqual(printed(), found)
  assert.equal(seen.closed, 1)
})

test('status tells a person who and how the node is, and why', async () => {
  const { context, stdout } = setup({ node: { status: async () => found } })
  await status.run(context)
  assert.match(stdout.text, new RegExp(`Peer id +${ALICE}`))
  assert.match(stdout.text, /QUIC +unavailable: the addon does not load\. Install it/)
  assert.match(stdout.text, /Health +degraded\n +- no peers: add one/)
  assert.match(stdout.text, /1 min 5 s, version 0\.1\.0/)
})

test('status fails with the code of a node that does not run', async () => {
  await assert.rejects(status.run(setup().context), coded('CONTROL_NODE_UNREACHABLE'))
})
