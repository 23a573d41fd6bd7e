import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { DEFAULT_LISTEN } from './config.ts'
import { inodesAt } from './port-holder.ts'
import { type Binding, type Probe, planListening } from './ports.ts'

/** Every address is free but those in the table: `tcp :: 9000`. */
const probing =
  (table: Record<string, Binding>): Probe =>
  async (kind, host, port) =>
    table[`${kind} ${host} ${port}`] ?? 'free'

test('free ports are taken as they are', async () => {
  const plan = await planListening(DEFAULT_LISTEN, true, probing({}))
  assert.deepEqual(plan, { listen: [...DEFAULT_LISTEN], moved: [], unavailable: [] })
})

test('a busy default port moves for IPv6 and IPv4 together, and for its own kind alone', async () => {
  const table = { 'tcp 0.0.0.0 9000': 'busy', 'tcp :: 9001': 'busy' } as const
  const plan = await planListening(DEFAULT_LISTEN, true, probing(table))
  assert.deepEqual(plan.listen, [
    '/ip6/::/udp/9001/quic-v1',
    '/ip4/0.0.0.0/udp/9001/quic-v1',
    '/ip6/::/tcp/9002',
    '/ip4/0.0.0.0/tcp/9002',
  ])
  assert.deepEqual(plan.moved, [{ kind: 'tcp', wanted: 9_000, taken: 9_002 }])
})

test('a busy port that somebody asked for is refused with its number', async () => {
  const table = { 'tcp :: 9000': 'busy' } as const
  await assert.rejects(planListening(DEFAULT_LISTEN, false, probing(table)), (error: unknown) => {
    assert.ok(coded('NET_PORT_BUSY')(error))
    assert.match(String(error), /tcp port 9000 is in use/)
    return true
  })
})

test('default ports do not move for ever', async () => {
  await assert.rejects(
    planListening(DEFAULT_LISTEN, true, async () => 'busy'),
    coded('NET_PORT_BUSY'),
  )
})

test('a machine without IPv6 listens on IPv4 and says what is missing', async () => {
  const noIpv6: Probe = async (_, host) => (host.includes(':') ? 'absent' : 'free')
  for (const movable of [true, false]) {
    const plan = await planListening(DEFAULT_LISTEN, movable, noIpv6)
    assert.deepEqual(plan.listen, ['/ip4/0.0.0.0/udp/9001/quic-v1', '/ip4/0.0.0.0/tcp/9000'])
    assert.deepEqual(
      plan.unavailable.map(({ reason }) => reason),
      ['this machine has no IPv6', 'this machine has no IPv6'],
    )
  }
})

test('a given address that the machine does not have is refused', async () => {
  await assert.rejects(
    planListening(['/ip4/9.9.9.9/tcp/9000'], false, async () => 'absent'),
    coded('NET_LISTEN_FAILED'),
  )
})

test('a port that needs a privilege is refused with that reason', async () => {
  await assert.rejects(
    planListening(['/ip4/0.0.0.0/tcp/80'], false, async () => 'forbidden'),
    /needs a privilege/,
  )
})

test('inodesAt() finds who is bound in the tables of /proc/net', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0
   1: 0100007F:2328 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 20 4 30 10 -1
   2: 0100007F:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0 100 0 0 10 0
`
  assert.deepEqual(inodesAt(table, 'tcp', 9_000), ['4711'])
  assert.deepEqual(inodesAt(table, 'udp', 9_000), ['4711', '4712'])
  assert.deepEqual(inodesAt('', 'tcp', 9_000), [])
})
