import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { ipFromBytes, parseIp } from './address.ts'
import { contains, groupOf, parsePrefix } from './prefix.ts'

test('parsePrefix() refuses bits beyond the length, and lengths beyond the address', () => {
  assert.equal(parsePrefix('10.0.0.0/8').bits, 8)
  assert.equal(parsePrefix('::/0').bits, 0)
  const wrong = [
    '10.0.0.1/8',
    '10.0.0.0/33',
    '::/129',
    '::',
    '::/',
    '/8',
    '::/01',
    '::/-1',
    '1.2.3.4/ 8',
  ]
  for (const text of wrong) assert.throws(() => parsePrefix(text), coded('IP_PREFIX_INVALID'), text)
  assert.throws(() => parsePrefix('10.0/8'), coded('IP_ADDRESS_INVALID'))
})

test('contains() agrees with the block list of Node', () => {
  const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
  const example = fc.constantFrom(4, 16).chain((size) =>
    fc.record({
      network: bytes(size),
      other: bytes(size),
      shared: fc.nat(size),
      bits: fc.integer({ min: 1, max: 8 * size }),
    }),
  )
  fc.assert(
    fc.property(example, ({ network, other, shared, bits }) => {
      const family = network.length === 4 ? 'ipv4' : 'ipv6'
      const near = Uint8Array.from([...network.subarray(0, shared), ...other.subarray(shared)])
      const address = ipFromBytes(near)
      const list = new BlockList()
      list.addSubnet(ipFromBytes(network).text, bits, family)
      const prefix = { address: ipFromBytes(cut(network, bits)), bits }
      assert.equal(contains(prefix, address), list.check(address.text, family))
    }),
  )
})

test('contains() never mixes versions', () => {
  assert.equal(contains(parsePrefix('0.0.0.0/0'), parseIp('::1')), false)
  assert.equal(contains(parsePrefix('::/0'), parseIp('1.2.3.4')), false)
})

test('groupOf() counts one host once, however its IPv4 is written', () => {
  const bits = { v4: 24, v6: 56 }
  assert.equal(groupOf('192.0.2.77', bits), '192.0.2.0/24')
  assert.equal(groupOf('::ffff:192.0.2.77', bits), '192.0.2.0/24')
  assert.equal(groupOf('64:ff9b::192.0.2.77', bits), '192.0.2.0/24')
  assert.equal(groupOf('2002:c000:24d::1', bits), '192.0.2.0/24')
  assert.equal(groupOf('2001:0:4136:e378:8000:63bf:3fff:fdd2', bits), '192.0.2.0/24')
  assert.equal(groupOf('2001:db8:1:2fff::9', bits), '2001:db8:1:2f00::/56')
  assert.equal(groupOf('2001:db8:1:2fff::9', { v4: 32, v6: 48 }), '2001:db8:1::/48')
  assert.equal(groupOf('198.51.100.7', { v4: 16, v6: 32 }), '198.51.0.0/16')
  assert.throws(() => groupOf('1.2.3.4', { v4: 33, v6: 56 }), coded('BASE_BUG'))
  assert.throws(() => groupOf('nonsense', bits), coded('IP_ADDRESS_INVALID'))
})

/** An address without what follows its prefix, bit by bit: the slow way checks the quick one. */
function cut(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((byte, i) =>
    [...Array(8).keys()].reduce(
      (sum, bit) => sum + (8 * i + bit < bits ? byte & (0x80 >> bit) : 0),
      0,
    ),
  )
}
