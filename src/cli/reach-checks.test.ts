import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STATUS, UNREACHED } from '../../test/support/served-node.ts'
import type { NodeStatus } from '../node/index.ts'
import { reachChecks } from './reach-checks.ts'

type Reach = NodeStatus['reachability']

/** What is found of a status that differs so, by check. */
function found(reach: Partial<Reach>, portMapping: Partial<NodeStatus['portMapping']> = {}) {
  const status = {
    ...STATUS,
    reachability: { ...UNREACHED, ...reach },
    portMapping: { ...STATUS.portMapping, ...portMapping },
  }
  return new Map(reachChecks(status).map((finding) => [finding.check, finding]))
}

const relay = { relay: STATUS.peerId, expiresAtMs: 1, addresses: [] }

test('a node of which nothing is known passes, and says so', () => {
  const checks = found({})
  assert.deepEqual([...new Set([...checks.values()].map(({ verdict }) => verdict))], ['ok'])
  assert.match(checks.get('Reached')?.found ?? '', /not known/)
  assert.match(checks.get('NAT')?.found ?? '', /not known/)
})

test('a node that nobody reaches is told what would help, unless a relay does', () => {
  const alone = found({ verdict: 'private', reason: 'a router' }).get('Reached')
  assert.deepEqual([alone?.verdict, alone?.found], ['warn', 'by nobody: a router'])
  assert.match(alone?.remedy ?? '', /forward its ports/)
  const asked = found({ verdict: 'private' }, { state: 'unavailable', remedy: 'turn on UPnP' })
  assert.equal(asked.get('Reached')?.remedy, 'turn on UPnP')
  assert.equal(asked.get('Router')?.verdict, 'warn')
  const relayed = found({ verdict: 'private', relays: [relay] }).get('Reached')
  assert.deepEqual([relayed?.verdict, relayed?.remedy], ['ok', undefined])
})

test('a public node lacks nothing because its router forwards nothing', () => {
  const checks = found({ verdict: 'public' }, { state: 'unavailable', reason: 'no router' })
  assert.deepEqual([checks.get('Reached')?.verdict, checks.get('Router')?.verdict], ['ok', 'ok'])
})

test('a NAT that gives each connection another port is a warning', () => {
  const nat = { found: true, ip: '5.9.77.1', tcp: 'endpoint-independent' } as const
  const fine = found({ nat: { ...nat, quic: 'endpoint-independent' } }).get('NAT')
  assert.deepEqual([fine?.verdict, fine?.remedy], ['ok', undefined])
  const bad = found({ nat: { ...nat, quic: 'endpoint-dependent' } }).get('NAT')
  assert.equal(bad?.verdict, 'warn')
  assert.match(bad.remedy ?? '', /cannot be punched/)
})

test('ports that a router forwards are named', () => {
  const checks = found(
    {},
    {
      state: 'active',
      mappings: [
        {
          ...{ protocol: 'tcp', suffix: '', via: 'pcp', router: '10.0.0.1', reason: null },
          internal: { host: '10.0.0.2', port: 9_000 },
          external: { host: '5.9.77.1', port: 9_100 },
          ...{ expiresAtMs: 1, state: 'mapped' },
        },
      ],
    },
  )
  assert.equal(checks.get('Router')?.found, 'forwards tcp 9000 at 5.9.77.1:9100 by pcp')
})

test('what hole punching lacks is named with what helps', () => {
  const hub = {
    state: 'unavailable',
    reason: 'no QUIC',
    remedy: 'reinstall',
    inUse: false,
  } as const
  const check = found({ punching: { hub, tcp: { state: 'active' } } }).get('Hole punching')
  assert.deepEqual([check?.verdict, check?.found], ['warn', 'QUIC: no QUIC'])
  assert.equal(check?.remedy, 'reinstall')
})
