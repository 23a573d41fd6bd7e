import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseIPv6Routes, parseRoutes, routesOf } from './portmap-routes.ts'

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'

test('parseRoutes() finds the ways out, and nothing else, in /proc/net/route', () => {
  const table = [
    HEAD,
    'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
    'wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
    'tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0',
    'tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0',
    'eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
    'eth1\t00000000\t0103A8C0\t0002\t0\t0\t100\t00000000\t0\t0\t0',
    '',
  ]
  assert.deepEqual(parseRoutes(table.join('\n')), [
    { router: '192.168.1.1', interfaceName: 'eth0', metric: 100 },
    { router: '192.168.2.1', interfaceName: 'wlan0', metric: 600 },
  ])
})

test('parseIPv6Routes() gives a router on the link its zone', () => {
  const zeros = '0'.repeat(32)
  const tail = '00000400 00000003 00000000 00000003     eth0'
  const table = [
    `${zeros} 00 ${zeros} 00 fe800000000000000000000000000001 ${tail}`,
    `${zeros} 00 ${zeros} 00 20010db8000000000000000000000001 ${tail}`,
    `${zeros} 00 ${zeros} 00 ${zeros} ffffffff 00000001 00000000 00200200       lo`,
    `fd000000000000000000000000000000 40 ${zeros} 00 ${zeros} ${tail}`,
  ]
  assert.deepEqual(parseIPv6Routes(table.join('\n')), [
    { router: 'fe80::1%eth0', interfaceName: 'eth0', metric: 1_024 },
    { router: '2001:db8::1', interfaceName: 'eth0', metric: 1_024 },
  ])
})

test('tables that are no tables have no routes', () => {
  const line = fc.string({ unit: fc.constantFrom(...'0123456789abcdefFx \t\n'.split('')) })
  fc.assert(
    fc.property(line, (table) => {
      for (const { router } of [...parseRoutes(table), ...parseIPv6Routes(table)]) {
        assert.ok(router.length > 0)
      }
    }),
  )
})

const info = (address: string, cidr: string, family: 'IPv4' | 'IPv6' = 'IPv4') =>
  ({ address, cidr, family, internal: false }) as NetworkInterfaceInfo

test('routesOf() says which of our addresses the best router of each version knows', () => {
  const found = [
    { router: '192.168.2.1', interfaceName: 'wlan0', metric: 600 },
    { router: '192.168.1.1', interfaceName: 'eth0', metric: 100 },
    { router: 'fe80::1%eth0', interfaceName: 'eth0', metric: 1_024 },
  ]
  const eth0 = [
    info('10.9.9.9', '10.9.9.9/8'),
    info('192.168.1.7', '192.168.1.7/24'),
    info('fe80::7', 'fe80::7/64', 'IPv6'),
    info('2a01:4f8::7', '2a01:4f8::7/64', 'IPv6'),
  ]
  assert.deepEqual(routesOf(found, { eth0, wlan0: [info('192.168.2.7', '192.168.2.7/24')] }), {
    routes: [
      { family: 4, router: '192.168.1.1', local: '192.168.1.7' },
      { family: 6, router: 'fe80::1%eth0', local: '2a01:4f8::7' },
    ],
  })
})

test('routesOf() says why there is nobody to ask', () => {
  assert.match(routesOf([], {}).reason ?? '', /no router/)
  const found = [{ router: '192.168.1.1', interfaceName: 'eth0', metric: 0 }]
  const { routes, reason, remedy } = routesOf(found, {})
  assert.deepEqual(routes, [])
  assert.match(reason ?? '', /no address on the network of its router/)
  assert.match(remedy ?? '', /network\.gateway/)
})
