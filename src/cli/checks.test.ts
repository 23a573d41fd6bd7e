import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as checks from './checks.ts'

const GIB = 1024 ** 3
const folder: checks.FolderFacts = {
  path: '/data',
  exists: true,
  writable: true,
  mode: 0o700,
  freeBytes: GIB,
}

const rows: readonly (readonly [string, checks.Finding, checks.Verdict, RegExp])[] = [
  ['a new Node', checks.nodeVersion('26.10.0'), 'ok', /26\.10\.0/],
  ['an old Node', checks.nodeVersion('20.20.2'), 'fail', /npm install/],
  ['no Node at all', checks.nodeVersion('?'), 'fail', /npm install/],
  ['a sound folder', checks.dataFolder(folder), 'ok', /\/data/],
  ['a folder to come', checks.dataFolder({ ...folder, exists: false }), 'ok', /first start/],
  ['a folder of another', checks.dataFolder({ ...folder, writable: false }), 'fail', /--data/],
  ['an open folder', checks.dataFolder({ ...folder, mode: 0o755 }), 'warn', /chmod 700 \/data/],
  ['a folder without modes', checks.dataFolder({ ...folder, mode: undefined }), 'ok', /\/data/],
  ['a full disk', checks.dataFolder({ ...folder, freeBytes: 1e6 }), 'warn', /Free some space/],
  ['no key', checks.identityKey({ state: 'none' }), 'ok', /first start/],
  ['a sound key', checks.identityKey({ state: 'sound', peerId: '12D3' }), 'ok', /12D3/],
  ['a bad key', checks.identityKey({ state: 'unusable', why: 'mode 644' }), 'fail', /mode 644/],
  ['QUIC', checks.quic({ state: 'active' }), 'ok', /loads/],
  ['no QUIC', checks.quic({ state: 'unavailable', reason: 'no addon' }), 'warn', /TCP instead/],
  ['IPv6', checks.ipv6(['fe80::1', '2001:db8::1']), 'ok', /2001:db8::1/],
  ['IPv6 of the link', checks.ipv6(['fe80::1']), 'warn', /link-local/],
  ['no IPv6', checks.ipv6([]), 'warn', /IPv4 only/],
  ['multicast', checks.multicast({ IPv4: undefined, IPv6: undefined }), 'ok', /mDNS works/],
  ['half of it', checks.multicast({ IPv4: 'EPERM', IPv6: undefined }), 'warn', /IPv4: EPERM/],
]

for (const [name, finding, verdict, says] of rows) {
  test(`the doctor answers ${verdict} to ${name}`, () => {
    assert.equal(finding.verdict, verdict)
    assert.match(`${finding.found} ${finding.remedy ?? ''}`, says)
  })
}

test('the doctor names whoever is in the way of a port', () => {
  const facts = { port: 9000, kind: 'tcp', use: 'peers over TCP' } as const
  assert.equal(checks.port({ ...facts, free: true }).verdict, 'ok')
  const busy = checks.port({ ...facts, free: false })
  assert.deepEqual([busy.check, busy.verdict], ['Port 9000/tcp', 'warn'])
})

test('the doctor passes on how the node is, and why', () => {
  const health = (status: 'ok' | 'degraded' | 'failing') =>
    checks.runningNode({ status, reasons: ['no peers'], alive: true, ready: true })
  assert.deepEqual(
    [health('ok').verdict, health('degraded').verdict, health('failing').verdict],
    ['ok', 'warn', 'fail'],
  )
  assert.equal(health('degraded').found, 'degraded; no peers')
  assert.equal(checks.runningNode(undefined).verdict, 'ok')
})

test('whatever is not well has a remedy', () => {
  for (const [name, finding] of rows) {
    if (finding.verdict !== 'ok') assert.notEqual(finding.remedy ?? '', '', name)
  }
})
