import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { ipFromBytes } from './address.ts'
import { type Scope, scopeOf } from './ranges.ts'

const EXPECTED: Readonly<Record<Scope, readonly string[]>> = {
  special: [
    '0.0.0.0',
    '0.255.255.255',
    '192.0.0.8',
    '192.0.2.1',
    '192.88.99.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::2',
    '100::1',
    '1fff::1',
    '2001:2::1',
    '2001:10::1',
    '2001:20::1',
    '2001:db8::1',
    '3fff:fff::1',
    '4000::1',
    '5f00::1',
    'fe00::1',
    'ff02::fb',
    'ff0e::1',
  ],
  loopback: ['127.0.0.1', '127.255.255.255', '::1'],
  link: ['169.254.169.254', 'fe80::1', 'febf::1'],
  private: [
    '10.0.0.1',
    '100.64.0.1',
    '100.127.255.255',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.255.255',
    'fc00::1',
    'fdff::1',
    'fec0::1',
    '64:ff9b:1::1.1.1.1',
  ],
  global: [
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.0.9',
    '192.0.1.0',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2000::1',
    '2001:1::1',
    '2001:200::1',
    '2606:4700:4700::1111',
    '2620:4f:8000::1',
    '3ffe::1',
  ],
}

test('scopeOf() knows each special range to its edges', () => {
  for (const [scope, addresses] of Object.entries(EXPECTED)) {
    for (const text of addresses) assert.equal(scopeOf(text), scope, text)
  }
})

test('scopeOf() looks through every form that carries IPv4', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (v4) => {
      const scope = scopeOf(ipFromBytes(v4).text)
      const of = (...parts: (readonly number[] | Uint8Array)[]) =>
        scopeOf(ipFromBytes(Uint8Array.from(parts.flatMap((part) => [...part]))).text)
      assert.equal(of(Array(10).fill(0), [0xff, 0xff], v4), scope)
      assert.equal(of([0, 0x64, 0xff, 0x9b], Array(8).fill(0), v4), scope)
      assert.equal(of([0x20, 0x02], v4, Array(10).fill(7)), scope)
      const hidden = v4.map((byte) => byte ^ 0xff)
      assert.equal(of([0x20, 0x01, 0, 0, 1, 1, 1, 1, 0, 0, 9, 9], hidden), scope)
    }),
  )
})

test('scopeOf() calls 6to4 of a public address global, and of a private one private', () => {
  assert.equal(scopeOf('2002:101:101::1'), 'global')
  assert.equal(scopeOf('2002:a00:1::1'), 'private')
  assert.equal(scopeOf('2002:7f00:1::1'), 'loopback')
  assert.equal(scopeOf('2002:a9fe:a9fe::1'), 'link')
})

test('scopeOf() does not trust a Teredo server on our own side', () => {
  assert.equal(scopeOf('2001:0:7f00:1:0:0:fefe:fefe'), 'loopback')
})

test('scopeOf() refuses what is no address', () => {
  assert.throws(() => scopeOf('example.org'), coded('IP_ADDRESS_INVALID'))
})
