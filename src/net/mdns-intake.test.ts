import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { type PeerId, signerFromSeed } from '../identity/index.ts'
import { Intake, SOURCE_RECORDS_PER_SECOND } from './mdns-intake.ts'
import { readLinkAddress } from './mdns-records.ts'

const idOf = (seed: number): PeerId => signerFromSeed(new Uint8Array(32).fill(seed)).peer
const self = idOf(1)
const other = idOf(2)
const origin = { link: { zone: 'eth0' }, source: '10.0.0.9', ownHost: false }

const announced = (text: string, ttlSeconds = 120) => {
  const read = readLinkAddress(text)
  return { ...(read ?? assert.fail(text)), ttlSeconds }
}
const at = (ip: string, peer = other) => announced(`/${ip}/tcp/9000/p2p/${peer}`)
const numbered = (i: number) => announced(`/ip4/10.0.0.9/tcp/${i + 1}/p2p/${other}`)

function setup() {
  const clock = new FakeClock()
  return { clock, intake: new Intake({ self, clock }) }
}

test('take() gives new addresses by peer', () => {
  const { intake } = setup()
  const third = idOf(3)
  const all = [at('ip4/10.0.0.9'), at('ip6/fd77::9'), at('ip4/10.0.0.9', third)]
  const taken = intake.take(all, origin)
  assert.deepEqual(
    taken.get(other),
    all.slice(0, 2).map(({ address }) => address),
  )
  assert.deepEqual(taken.get(third), [all[2]?.address])
})

test('take() is silent about what it knows until its time is over', async () => {
  const { intake, clock } = setup()
  const one = announced(`/ip4/10.0.0.9/tcp/9000/p2p/${other}`, 60)
  assert.equal(intake.take([one], origin).size, 1)
  await clock.advance(60_000)
  assert.equal(intake.take([one], origin).size, 0)
  await clock.advance(1)
  assert.equal(intake.take([one], origin).size, 1)
})

test('take() passes over ourselves', () => {
  assert.equal(setup().intake.take([at('ip4/10.0.0.9', self)], origin).size, 0)
})

for (const ip of [
  'ip4/8.8.8.8',
  'ip6/2a00::1',
  'ip4/0.0.0.0',
  'ip4/224.0.0.1',
  'ip6/2001:db8::1',
]) {
  test(`take() believes no public or special address: ${ip}`, () => {
    assert.equal(setup().intake.take([at(ip)], origin).size, 0)
  })
}

test('take() believes loopback addresses from this machine only', () => {
  const { intake } = setup()
  const own = [at('ip4/127.0.0.1'), at('ip6/::1')]
  assert.equal(intake.take(own, origin).size, 0)
  assert.equal(intake.take(own, { ...origin, ownHost: true }).get(other)?.length, 2)
})

test('take() adds our own zone to IPv6 link-local addresses, and to no others', () => {
  const taken = setup().intake.take([at('ip6/fe80::9'), at('ip4/169.254.0.9')], origin)
  assert.deepEqual(taken.get(other), [
    `/ip6zone/eth0/ip6/fe80::9/tcp/9000/p2p/${other}`,
    `/ip4/169.254.0.9/tcp/9000/p2p/${other}`,
  ])
})

test('take() hears no more than so many new records a second from one source', async () => {
  const { intake, clock } = setup()
  const many = Array.from({ length: 100 }, (_, i) => numbered(i))
  const count = (source: string) => intake.take(many, { ...origin, source }).get(other)?.length ?? 0
  assert.equal(count('10.0.0.9'), SOURCE_RECORDS_PER_SECOND)
  await clock.advance(1_000)
  assert.equal(count('10.0.0.9'), 0)
  await clock.advance(1)
  assert.equal(count('10.0.0.9'), SOURCE_RECORDS_PER_SECOND, 'known ones cost nothing')
})

test('take() hears a bounded number of new records from all sources together', () => {
  const { intake } = setup()
  let heard = 0
  for (let i = 0; i < 10_000; i += 1) {
    const source = `10.0.${i >> 8}.${i & 255}`
    heard += intake.take([numbered(i)], { ...origin, source }).size
  }
  assert.equal(heard, 128)
})
