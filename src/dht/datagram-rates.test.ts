import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HostRates } from './datagram-rates.ts'

const admitted = (rates: HostRates, host: string, tries: number, nowMs: number) => {
  let count = 0
  for (let i = 0; i < tries; i += 1) if (rates.take(host, nowMs)) count += 1
  return count
}

test('a host may do two seconds of its rate at once, and then goes at its rate', () => {
  const rates = new HostRates(100)
  assert.equal(admitted(rates, '192.0.2.1', 1_000, 1_000), 201)
  assert.equal(admitted(rates, '192.0.2.1', 1_000, 1_000), 0)
  assert.equal(admitted(rates, '192.0.2.1', 1_000, 2_000), 100)
  assert.equal(admitted(rates, '192.0.2.2', 1_000, 2_000), 201)
})

test('all addresses of one IPv6 /56 are one host', () => {
  const rates = new HostRates(1)
  assert.equal(admitted(rates, '2001:db8:0:100::1', 10, 0), 3)
  assert.equal(rates.take('2001:db8:0:1ff::2', 0), false)
  assert.equal(rates.take('2001:db8:0:200::1', 0), true)
})

test('a clock that is set back locks nobody out', () => {
  const rates = new HostRates(10)
  admitted(rates, '192.0.2.1', 100, 3_600_000)
  assert.equal(rates.take('192.0.2.1', 0), true)
})

test('hosts remembered are bounded', () => {
  const rates = new HostRates(10)
  for (let i = 0; i < 10_000; i += 1) rates.take(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 0)
  assert.equal(rates.size, 4_096)
})
