import assert from 'node:assert/strict'
import { isIP, SocketAddress } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { embeddedIPv4, ipFromBytes, parseIp } from './address.ts'

const ipBytes = fc
  .constantFrom(4, 16)
  .chain((size) => fc.uint8Array({ minLength: size, maxLength: size }))

test('parseIp() reads back what it printed', () => {
  fc.assert(
    fc.property(ipBytes, (bytes) => {
      const address = ipFromBytes(bytes)
      assert.deepEqual(parseIp(address.text), address)
      assert.equal(isIP(address.text), address.version)
    }),
  )
})

test('text is the form that the operating system prints, but for IPv4 inside', () => {
  const parts = fc.array(fc.constantFrom(0, 0, 1, 0xabc, 0xffff), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(parts, (words) => {
      const given = [0x2001, ...words.slice(1)].map((word) => word.toString(16)).join(':')
      const system = new SocketAddress({ address: given, family: 'ipv6' }).address
      assert.equal(parseIp(given).text, system)
    }),
  )
})

test('text follows RFC 5952', () => {
  const canonical = [
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['192.0.2.1', '192.0.2.1'],
  ] as const
  for (const [given, text] of canonical) assert.equal(parseIp(given).text, text)
})

test('parseIp() refuses what inet_pton refuses, and zones', () => {
  const wrong = [
    '',
    '127.1',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '2130706433',
    '1.2.3.256',
    '1.2.3.4.5',
    '1.2.3.4 ',
    '01.2.3.4',
    ':::',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'fe80::1%eth0',
    '[::1]',
    '::1/128',
    '::ffff:1.2.3',
    `::${'0'.repeat(50)}1`,
  ]
  for (const text of wrong) assert.throws(() => parseIp(text), coded('IP_ADDRESS_INVALID'), text)
})

test('parseIp() refuses every text with a coded error or agrees with the operating system', () => {
  const characters = fc.constantFrom(...'0123456789abcdef::::....%/x'.split(''))
  fc.assert(
    fc.property(fc.string({ unit: characters, maxLength: 50 }), (text) => {
      if (isIP(text) !== 0 && !text.includes('%')) assert.equal(parseIp(text).version, isIP(text))
      else assert.throws(() => parseIp(text), coded('IP_ADDRESS_INVALID'))
    }),
  )
})

test('ipFromBytes() takes 4 or 16 bytes only', () => {
  for (const size of [0, 3, 5, 15, 17]) {
    assert.throws(() => ipFromBytes(new Uint8Array(size)), coded('BASE_BUG'))
  }
})

test('embeddedIPv4() finds the IPv4 of each form that carries it', () => {
  const inside = (text: string) => embeddedIPv4(parseIp(text)).map((address) => address.text)
  assert.deepEqual(inside('::ffff:192.0.2.33'), ['192.0.2.33'])
  assert.deepEqual(inside('64:ff9b::192.0.2.33'), ['192.0.2.33'], 'RFC 6052 §2.4')
  assert.deepEqual(inside('2002:c000:221::1'), ['192.0.2.33'])
  // RFC 4380 §4 with the server 65.54.227.120 and the client 192.0.2.45, port 40000.
  assert.deepEqual(inside('2001:0:4136:e378:8000:63bf:3fff:fdd2'), ['192.0.2.45', '65.54.227.120'])
  assert.deepEqual(inside('2001:db8::192.0.2.33'), [])
  assert.deepEqual(inside('64:ff9b:1::192.0.2.33'), [])
  assert.deepEqual(inside('192.0.2.33'), [])
})
