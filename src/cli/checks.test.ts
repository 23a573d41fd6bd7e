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

const NOW = Date.UTC(2026, 5, 1)
const ipv6 = (addresses: readonly string[], hasRoute = true) => checks.ipv6({ addresses, hasRoute })
const clock = (facts: Partial<checks.ClockFacts>) =>
  checks.clockSanity({ nowMs: NOW, synchronised: undefined, writtenMs: NOW, ...facts })

const rows: readonly (readonly [string, checks.Finding, checks.Verdict, RegExp])[] = [
  ['a new Node', checks.nodeVersion('26.10.0'), 'ok', /26\.10\.0/],
  ['an old Node', checks.nodeVersion('20.20.2'), 'failed', /npm install/],
  ['no Node at all', checks.nodeVersion('?'), 'failed', /npm install/],
  ['a sound folder', checks.dataFolder(folder), 'ok', /\/data/],
  ['a folder to come', checks.dataFolder({ ...folder, exists: false }), 'ok', /first start/],
  ['a folder of another', checks.dataFolder({ ...folder, writable: false }), 'failed', /--data/],
  ['an open folder', checks.dataFolder({ ...folder, mode: 0o755 }), 'warn', /chmod 700 \/data/],
  ['a folder without modes', checks.dataFolder({ ...folder, mode: undefined }), 'ok', /\/data/],
  ['a full disk', checks.dataFolder({ ...folder, freeBytes: 1e6 }), 'warn', /Free some space/],
  ['no key', checks.identityKey({ state: 'none' }), 'ok', /first start/],
  ['a sound key', checks.identityKey({ state: 'sound', peerId: '12D3' }), 'ok', /12D3/],
  ['a bad key', checks.identityKey({ state: 'unusable', why: 'mode 644' }), 'failed', /mode 644/],
  ['QUIC', checks.quic({ state: 'active' }), 'ok', /loads/],
  ['no QUIC', checks.quic({ state: 'unavailable', reason: 'no addon' }), 'warn', /TCP instead/],
  ['IPv6', ipv6(['fe80::1', '2a01:4f8::1']), 'ok', /2a01:4f8::1/],
  ['IPv6 without a route', ipv6(['2a01:4f8::1'], false), 'warn', /no route/],
  ['IPv6 of the link', ipv6(['fe80::1%eth0']), 'warn', /only such of the link/],
  ['unique local IPv6', ipv6(['fd00::1', 'fe80::1']), 'warn', /no address that the internet/],
  ['no IPv6', ipv6([]), 'warn', /IPv4 only/],
  ['a free folder', checks.folderLock({ held: false, pid: undefined }, false), 'ok', /free/],
  ['a node that runs', checks.folderLock({ held: true, pid: 7 }, true), 'ok', /process 7/],
  ['a node that hangs', checks.folderLock({ held: true, pid: 7 }, false), 'failed', /process 7/],
  ['a node that crashed', checks.folderLock({ held: false, pid: 7 }, false), 'warn', /cleanly/],
  ['a clock', clock({}), 'ok', /2026/],
  ['a clock that is kept', clock({ synchronised: true }), 'ok', /synchronised/],
  ['a clock that nobody keeps', clock({ synchronised: false }), 'warn', /no time service/],
  ['a clock that is reset', clock({ nowMs: 86_400_000 }), 'failed', /1970/],
  ['a clock set back', clock({ writtenMs: NOW + 3_600_000 }), 'failed', /later than that/],
  ['no configuration', checks.configuration(undefined, undefined), 'ok', /defaults/],
  ['a configuration', checks.configuration('/c.toml', undefined), 'ok', /c\.toml/],
  ['a wrong one', checks.configuration(undefined, 'Cannot use x'), 'failed', /Cannot use x/],
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
  assert.match(busy.found, /another program/)
  const named = checks.port({ ...facts, free: false, holder: 'nginx (pid 7)' })
  assert.match(named.found, /nginx \(pid 7\) holds it/)
  assert.deepEqual([busy.check, busy.verdict], ['Port 9000/tcp', 'warn'])
})

test('the doctor passes on how the node is, and why', () => {
  const health = (status: 'ok' | 'degraded' | 'failing') =>
    checks.runningNode({ status, reasons: ['no peers'], alive: true, ready: true })
  assert.deepEqual(
    [health('ok').verdict, health('degraded').verdict, health('failing').verdict],
    ['ok', 'warn', 'failed'],
  )
  assert.equal(health('degraded').found, 'degraded; no peers')
  assert.equal(checks.runningNode(undefined).verdict, 'ok')
})

test('whatever is not well has a remedy', () => {
  for (const [name, finding] of rows) {
    if (finding.verdict !== 'ok') assert.notEqual(finding.remedy ?? '', '', name)
  }
})
