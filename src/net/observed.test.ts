import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { ObservedAddresses, type Report } from './observed.ts'
import { Verdicts } from './verdict.ts'

const report = (seed: number, over: Partial<Report> = {}): Report => ({
  reporter: signerOf(seed).peer,
  reporterIp: `${seed}.1.0.1`,
  transport: 'quic',
  ip: '81.2.69.100',
  port: 9_001,
  fromListenPort: true,
  ...over,
})

function setup(reports: readonly Report[]) {
  const observed = new ObservedAddresses(new FakeClock())
  for (const one of reports) observed.add(one)
  return observed
}

test('four networks make a quorum, and a data centre of liars is one voice', () => {
  const liars = Array.from({ length: 50 }, (_, i) => {
    return report(100 + i, { reporterIp: `66.6.${i}.1`, ip: '6.6.6.6' })
  })
  const observed = setup([...liars, ...[1, 2, 3, 4].map((seed) => report(seed))])
  const believed = observed.endpoints()
  assert.deepEqual(
    believed.map(({ ip, voices, wanted, few }) => ({ ip, voices, wanted, few })),
    [{ ip: '81.2.69.100', voices: 4, wanted: 4, few: false }],
  )
})

test('while fewer report fewer do, and that is said', () => {
  const [alone] = setup([report(1)]).endpoints()
  assert.deepEqual([alone?.voices, alone?.wanted, alone?.few], [1, 1, true])
  assert.deepEqual(setup([report(1), report(2, { ip: '6.6.6.6' })]).endpoints(), [])
})

test('a dial from another port tells the address and not the port', () => {
  const observed = setup([report(1, { fromListenPort: false, port: 40_000 })])
  assert.deepEqual(observed.endpoints(), [])
  assert.deepEqual(
    observed.ips(4).map(({ ip, port }) => [ip, port]),
    [['81.2.69.100', undefined]],
  )
})

test('the kind of NAT shows when two see the same port, or two', () => {
  const own = new Set(['10.0.0.2'])
  assert.equal(setup([report(1)]).mapping('quic', own), 'unknown')
  assert.equal(setup([report(1), report(2)]).mapping('quic', own), 'endpoint-independent')
  const symmetric = setup([report(1), report(2, { port: 9_777 })])
  assert.equal(symmetric.mapping('quic', own), 'endpoint-dependent')
  assert.equal(setup([report(1)]).mapping('quic', new Set(['81.2.69.100'])), 'none')
  assert.equal(setup([report(1)]).mapping('tcp', own), 'unknown')
})

test('a verdict needs as many networks as could be asked, four at most', () => {
  const verdicts = new Verdicts(new FakeClock())
  const add = (seed: number, what: 'dialled back' | 'not reached') => {
    verdicts.add('/a', { by: signerOf(seed).peer, from: `${seed}.1.0.1`, atMs: seed, what })
  }
  assert.equal(verdicts.of('/a', 0).verdict, 'unknown')
  add(1, 'dialled back')
  assert.equal(verdicts.of('/a', 1).verdict, 'public')
  assert.equal(verdicts.of('/a', 3).verdict, 'unknown')
  for (const seed of [2, 3, 4, 5]) add(seed, 'not reached')
  assert.equal(verdicts.of('/a', 9).verdict, 'private')
  // Who said otherwise before says this now.
  for (const seed of [2, 3, 4]) add(seed, 'dialled back')
  assert.deepEqual(
    [verdicts.of('/a', 9).verdict, verdicts.of('/a', 9).reached, verdicts.of('/a', 9).missed],
    ['public', 4, 1],
  )
})
