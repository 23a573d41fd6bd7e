import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOB, setup } from '../../../test/support/cli-context.ts'
import type { PeerStatus } from '../../node/index.ts'
import { peers } from './peers.ts'

const connection = {
  address: '/ip4/127.0.0.1/udp/9001/quic-v1',
  direction: 'inbound',
  transport: 'quic',
  path: 'direct' as const,
  openedAtMs: 1_000_000 - 90_000,
  streams: 3,
} as const
const bob: PeerStatus = { peer: BOB, connections: [connection, connection], protocols: [] }

test('peers prints the peers as they are', async () => {
  const { context, printed } = setup({ node: { peers: async () => [bob] }, json: true })
  await peers.run(context)
  assert.deepEqual(printed(), [bob])
})

test('peers gives a person one row for each connection', async () => {
  const { context, stdout, seen } = setup({ node: { peers: async () => [bob] } })
  await peers.run(context)
  const rows = stdout.text.trim().split('\n')
  assert.equal(rows.length, 3)
  assert.match(rows[1] ?? '', new RegExp(`^${BOB} +quic +they +1 min 30 s +/ip4/127`))
  assert.equal(seen.closed, 1)
})

test('peers says how to get one where there is none', async () => {
  const { context, stdout } = setup({ node: { peers: async () => [] } })
  await peers.run(context)
  assert.match(stdout.text, /No peers.*p2p connect <multiaddr>/)
})
