import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { type Circuit, RelayAccounts, type RelayLimits } from './relay-accounts.ts'

const LIMITS: RelayLimits = {
  relayReservationsMax: 20,
  relayCircuitsMax: 3,
  relayCircuitBytesMax: 1_000,
  relayHourlyBytesMax: 8_000,
}

function setup(limits: Partial<RelayLimits> = {}) {
  const clock = new FakeClock()
  return { clock, accounts: new RelayAccounts({ ...LIMITS, ...limits }, clock) }
}

const client = (seed: number, ip = `8.${seed % 250}.0.1`) => ({ peer: signerOf(seed).peer, ip })

/** A circuit that was opened. */
function opened(found: Circuit | string): Circuit {
  assert.ok(typeof found !== 'string', typeof found === 'string' ? found : '')
  return found
}

test('a thousand attempts from one address get four reservations', () => {
  const { accounts } = setup({ relayReservationsMax: 4_096 })
  const all = Array.from({ length: 1_000 }, (_, i) => accounts.reserve(client(i, '8.8.8.8')))
  assert.equal(all.filter((one) => typeof one !== 'string').length, 4)
  assert.equal(accounts.usage().reservations, 4)
})

test('one network gets eight, whatever its addresses, and all together what is configured', () => {
  const { accounts } = setup()
  for (let i = 0; i < 40; i += 1) accounts.reserve(client(i, `8.8.8.${i}`))
  assert.equal(accounts.usage().reservations, 8)
  for (let i = 100; i < 200; i += 1) accounts.reserve(client(i))
  assert.equal(accounts.usage().reservations, LIMITS.relayReservationsMax)
  assert.equal(accounts.reserve(client(250, '9.9.9.9')), 'reservations in all')
})

test('a reservation is renewed in its place, ends by time, and with its peer', async () => {
  const { accounts, clock } = setup({ relayReservationsMax: 1 })
  accounts.reserve(client(1))
  await clock.advance(1_800_000)
  assert.ok(typeof accounts.reserve(client(1)) !== 'string', 'renewed although all are taken')
  await clock.advance(3_000_000)
  assert.ok(accounts.isReserved(client(1).peer))
  await clock.advance(700_000)
  assert.equal(accounts.isReserved(client(1).peer), false)
  accounts.reserve(client(2))
  accounts.release(client(2).peer)
  assert.equal(accounts.usage().reservations, 0)
})

test('circuits are counted, and leave but once', () => {
  const { accounts } = setup()
  const all = [1, 2, 3].map((seed) => opened(accounts.open([client(seed), client(seed + 10)])))
  assert.equal(accounts.open([client(4), client(5)]), 'circuits in all')
  all[0]?.leave()
  all[0]?.leave()
  assert.equal(accounts.usage().circuits, 2)
  assert.ok(typeof accounts.open([client(4), client(5)]) !== 'string')
})

test('one host asks for eight circuits, whatever its peers, and others are asked for still', () => {
  const { accounts } = setup({ relayCircuitsMax: 100 })
  const all = Array.from({ length: 40 }, (_, i) => {
    return accounts.open([client(i, '8.8.8.8'), client(100 + i)])
  })
  assert.equal(all.filter((one) => typeof one !== 'string').length, 8)
  assert.equal(all[8], 'circuits of this host')
  assert.ok(typeof accounts.open([client(60, '8.8.8.9'), client(61, '8.8.8.8')]) !== 'string')
  for (const one of all.slice(0, 2)) opened(one).leave()
  opened(all[0] ?? '').leave()
  const more = [50, 51, 52].map((i) => accounts.open([client(i, '8.8.8.8'), client(100 + i)]))
  assert.deepEqual(
    more.map((one) => typeof one),
    ['object', 'object', 'string'],
  )
})

test('circuits of one IPv6 /56 are one host’s; those of this machine are nobody’s', () => {
  const { accounts } = setup({ relayCircuitsMax: 100 })
  const open = (ip: (i: number) => string) => {
    const all = Array.from({ length: 12 }, (_, i) => {
      return accounts.open([client(i, ip(i)), client(100 + i)])
    })
    return all.filter((one) => typeof one !== 'string').length
  }
  assert.equal(
    open((i) => `2a00:1:1:${i}::1`),
    8,
  )
  assert.equal(
    open(() => '127.0.0.1'),
    12,
  )
})

test('bytes are bounded for a peer, a network and in all, by the hour', async () => {
  const { accounts, clock } = setup()
  const one = opened(accounts.open([client(1), client(2)]))
  assert.equal(one.charge(900), undefined)
  assert.equal(one.charge(200), 'bytes of this peer')
  // Others of the same network still have what it has left.
  const near = opened(accounts.open([client(3, '8.1.0.7'), client(4)]))
  assert.equal(near.charge(1_000), undefined)
  const next = opened(accounts.open([client(5, '8.1.0.8'), client(6)]))
  assert.equal(next.charge(900), 'bytes of this network')
  next.leave()
  assert.equal(accounts.open([client(5, '8.1.0.8'), client(6)]) === 'bytes in all', false)
  await clock.advance(3_600_000)
  assert.equal(one.charge(900), undefined)
})
