import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOB } from '../../test/support/cli-context.ts'
import { STATUS, UNREACHED } from '../../test/support/served-node.ts'
import type { NodeStatus } from '../node/index.ts'
import { explain, type Tried } from './explain.ts'

/** The advice for a connect that failed so. */
function adviceFor(tried: readonly Tried[], status: Partial<NodeStatus> = {}): string {
  const seen = { target: BOB, peer: BOB, tookMs: 5, tried, error: 'no' }
  return explain(seen, { ...STATUS, ...status }, []).advice.join('\n')
}

const TCP = '/ip4/198.41.0.4/tcp/9000'
const QUIC = '/ip4/198.41.0.4/udp/9001/quic-v1'
const HOME = '/ip4/192.168.1.2/tcp/9000'
const RELAYED = `${TCP}/p2p/${BOB}/p2p-circuit`
const silent = 'no answer within 5000 ms'

const cases: readonly (readonly [what: string, tried: readonly Tried[], wanted: RegExp])[] = [
  ['no address', [], /no address of it is known/],
  ['a closed port', [{ address: TCP, reason: 'connect ECONNREFUSED' }], /nothing listens/],
  ['somebody else', [{ address: TCP, reason: 'unexpected peer id' }], /somebody else answers/],
  ['a reserved address', [{ address: TCP, reason: 'no address of this kind' }], /is reserved/],
  ['no route', [{ address: TCP, reason: 'connect ENETUNREACH' }], /no route there/],
  ['a network of its own', [{ address: HOME, reason: silent }], /all its addresses are of its own/],
  [
    'silence over UDP only',
    [
      { address: QUIC, reason: silent },
      { address: TCP, reason: 'it does not speak ours' },
    ],
    /nothing came back over UDP/,
  ],
  [
    'silence everywhere',
    [
      { address: QUIC, reason: silent },
      { address: TCP, reason: silent },
    ],
    /nothing came back at all/,
  ],
  ['no relay', [{ address: TCP, reason: silent }], /no relay that we know of/],
]
for (const [what, tried, wanted] of cases) {
  test(`explain() knows what helps against ${what}`, () => {
    assert.match(adviceFor(tried), wanted)
  })
}

test('explain() does not ask for a relay where one was tried, or of nobody in particular', () => {
  const seen = { target: TCP, peer: null, tookMs: 5, error: 'no' }
  const { advice } = explain({ ...seen, tried: [{ address: TCP, reason: silent }] }, STATUS, [])
  assert.doesNotMatch(advice.join(), /no relay/)
  assert.doesNotMatch(adviceFor([{ address: RELAYED, reason: silent }]), /no relay/)
})

test("explain() names what this node's own network lacks", () => {
  const nat = { found: true, quic: 'endpoint-dependent', tcp: 'unknown' } as const
  const portMapping = { state: 'unavailable', remedy: 'turn on UPnP', mappings: [] } as const
  const found = adviceFor([{ address: TCP, reason: silent }], {
    reachability: { ...UNREACHED, verdict: 'private', nat },
    portMapping,
  })
  assert.match(found, /endpoint-dependent/)
  assert.match(found, /turn on UPnP/)
  const reachability = { ...UNREACHED, verdict: 'public' } as const
  assert.doesNotMatch(adviceFor([{ address: TCP, reason: silent }], { reachability }), /UPnP/)
})

test('explain() says of a relayed path why there is no better one', () => {
  const seen = { target: BOB, peer: BOB, tookMs: 5, tried: [], error: null }
  const connection = {
    address: RELAYED,
    direction: 'outbound',
    transport: 'relay',
    path: 'relayed',
    openedAtMs: 0,
    streams: 1,
  } as const
  const attempt = {
    ...({ peer: BOB, atMs: 1, kind: 'quic', role: 'caller', outcome: 'failed' } as const),
    ...{ targets: [], tookMs: 3, reason: 'nothing came through' },
  }
  const status = { ...STATUS, reachability: { ...UNREACHED, attempts: [attempt] } }
  const peers = [{ peer: BOB, connections: [connection], protocols: [] }]
  assert.match(explain(seen, status, peers).advice.join(), /relay.*nothing came through/)
  const direct = { ...connection, path: 'direct' as const }
  const also = [{ peer: BOB, connections: [connection, direct], protocols: [] }]
  assert.deepEqual(explain(seen, status, also).advice, [])
})
