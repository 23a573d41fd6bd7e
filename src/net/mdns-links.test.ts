import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import { isOnLink, type Link, linksOf } from './mdns-links.ts'

const mac = '02:00:00:00:00:01'
const v4: NetworkInterfaceInfo = {
  family: 'IPv4',
  address: '192.168.7.5',
  netmask: '255.255.255.0',
  cidr: '192.168.7.5/24',
  mac,
  internal: false,
}
const v6: NetworkInterfaceInfo = {
  family: 'IPv6',
  address: 'fe80::5',
  netmask: 'ffff:ffff:ffff:ffff::',
  cidr: 'fe80::5/64',
  mac,
  scopeid: 2,
  internal: false,
}

test('linksOf() makes one link for each version of IP that an interface has', () => {
  const links = linksOf({ eth0: [v4, v6], tun0: [v4], none: undefined })
  const names = links.map(({ zone, family }) => `${zone} ${family}`)
  assert.deepEqual(names, ['eth0 6', 'eth0 4', 'tun0 4'])
  assert.deepEqual(links[0]?.addresses, ['192.168.7.5', 'fe80::5'])
})

test('linksOf() gives another id to another interface under the same name', () => {
  const [before] = linksOf({ eth0: [v6] })
  for (const other of [{ mac: '02:00:00:00:00:02' }, { scopeid: 3 }, { address: 'fe80::6' }]) {
    const [after] = linksOf({ eth0: [{ ...v6, ...other }] })
    assert.notEqual(after?.id, before?.id)
  }
})

test('linksOf() has a bound', () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`veth${i}`, [v4]]))
  assert.equal(linksOf(many).length, 64)
})

test('isOnLink() wants IPv4 senders in the subnet and IPv6 senders in the zone', () => {
  const [six, four] = linksOf({ eth0: [v4, v6] }) as [Link, Link]
  assert.ok(isOnLink(four, '192.168.7.200', undefined))
  assert.ok(!isOnLink(four, '192.168.8.1', undefined))
  assert.ok(isOnLink(six, 'fe80::9', 'eth0'))
  assert.ok(!isOnLink(six, 'fe80::9', 'eth1'))
})
