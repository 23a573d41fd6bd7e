import assert from 'node:assert/strict'
import { test } from 'node:test'
import { siteOf } from './site.ts'

test('siteOf() names the /16 of a public IPv4 address and the /32 of a public IPv6 address', () => {
  assert.equal(siteOf('8.8.4.4'), '8.8.0.0/16')
  assert.equal(siteOf('8.8.200.1'), '8.8.0.0/16')
  assert.notEqual(siteOf('8.9.4.4'), siteOf('8.8.4.4'))
  assert.equal(siteOf('2a00:1450:4001::1'), '2a00:1450::/32')
  assert.equal(siteOf('2a00:1450:ffff::1'), siteOf('2a00:1450:4001::1'))
})

test('IPv6 that carries public IPv4 is the site of that IPv4', () => {
  assert.equal(siteOf('::ffff:8.8.4.4'), '8.8.0.0/16')
  assert.equal(siteOf('2002:808:404::1'), '8.8.0.0/16')
})

test('where an address says nothing there is no site', () => {
  const none = ['127.0.0.1', '10.1.2.3', '192.168.0.1', '100.64.1.1', '169.254.1.1', '203.0.113.9']
  const six = ['::1', 'fe80::1', 'fd00::1', '2001:db8::1']
  for (const host of [...none, ...six, 'example.org', 'fe80::1%eth0', '', undefined]) {
    assert.equal(siteOf(host), undefined, String(host))
    assert.equal(siteOf(host), undefined, 'and the answer stays the same')
  }
})
