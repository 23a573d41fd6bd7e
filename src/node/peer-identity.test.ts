import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import {
  CAPABILITIES_MAX,
  checkPeerIdentity,
  decodePeerIdentity,
  ENDPOINTS_MAX,
  encodePeerIdentity,
  fitClaims,
  ipv6EndpointsOf,
  PEER_IDENTITY_BYTES_MAX,
  type PeerClaims,
  signPeerIdentity,
} from './peer-identity.ts'

const alice = generateKeys(seededRandom('alice')).signer
const mallory = generateKeys(seededRandom('mallory')).signer
const AT = { network: 'test', lastSeenMs: 1_000_000 }
const NOW = { network: 'test', nowMs: 1_000_000 }
const INVALID = 'NODE_PEER_IDENTITY_BROKEN'

const endpoint = fc.stringMatching(/^\/ip[46]\/[!-~]{1,40}$/)
const capability = fc.stringMatching(/^[!-~]{1,128}$/)
const claimsOf: fc.Arbitrary<PeerClaims> = fc.record({
  endpoints: fc.array(endpoint, { maxLength: 20 }),
  capabilities: fc.array(capability, { maxLength: 100 }),
})

const said = await signPeerIdentity(
  {
    endpoints: ['/ip4/192.0.2.1/tcp/9000', '/ip6/2001:db8::1/udp/9001/quic-v1'],
    capabilities: ['dht:server', 'mcp:service:calc'],
  },
  alice,
  AT,
)

/** The encoding of `said` with one field put in place of its own. */
function bent(field: number, value: Cbor): Uint8Array {
  const fields = decodeCbor(encodePeerIdentity(said), 'test', PEER_IDENTITY_BYTES_MAX)
  assert.ok(fields instanceof Map)
  return encodeCbor(new Map(fields as ReadonlyMap<Cbor, Cbor>).set(field, value))
}

test('whatever a peer claims is cut to fit, encoded, read back the same, and believed', async () => {
  await fc.assert(
    fc.asyncProperty(claimsOf, fc.nat(), async (claims, lastSeenMs) => {
      const identity = await signPeerIdentity(claims, alice, { network: 'test', lastSeenMs })
      const bytes = encodePeerIdentity(identity)
      assert.ok(bytes.length <= PEER_IDENTITY_BYTES_MAX)
      const read = decodePeerIdentity(bytes)
      assert.deepEqual(encodePeerIdentity(read), bytes)
      const { peer, endpoints, capabilities } = read
      assert.deepEqual(
        { peer, endpoints, capabilities },
        { peer: alice.peer, ...fitClaims(claims) },
      )
      checkPeerIdentity(read, { network: 'test', nowMs: lastSeenMs })
    }),
    { numRuns: 50 },
  )
})

test('fitClaims() puts IPv6 first and leaves out what is too much, twice, or no address', () => {
  const v4 = Array.from({ length: 10 }, (_, i) => `/ip4/192.0.2.${i}/tcp/9000`)
  const v6 = '/ip6/2001:db8::1/tcp/9000'
  const names = Array.from({ length: 100 }, (_, i) => `mcp:tool:t${i}`)
  const { endpoints, capabilities } = fitClaims({
    endpoints: ['no address', ...v4, v6, v6],
    capabilities: ['with a space', 'dht:server', 'dht:server', ...names],
  })
  assert.deepEqual(endpoints, [v6, ...v4.slice(0, ENDPOINTS_MAX - 1)])
  assert.deepEqual(capabilities, ['dht:server', ...names.slice(0, CAPABILITIES_MAX - 1)])
})

test('fitClaims() stops before the capabilities exceed what one identity may have', () => {
  const names = Array.from({ length: CAPABILITIES_MAX }, (_, i) => `${i}`.padEnd(128, 'x'))
  const { capabilities } = fitClaims({ endpoints: [], capabilities: names })
  assert.ok(capabilities.length > 20 && capabilities.length < CAPABILITIES_MAX)
})

test('ipv6EndpointsOf() gives the sockets of the specification, each once', () => {
  const endpoints = [
    '/ip6/2001:db8::1/tcp/9000/p2p/x',
    '/ip6/2001:db8::1/udp/9000/quic-v1',
    '/ip4/192.0.2.1/tcp/9000',
    '/ip6/2001:db8::2/udp/9001',
  ]
  assert.deepEqual(ipv6EndpointsOf({ endpoints }), ['[2001:db8::1]:9000', '[2001:db8::2]:9001'])
})

test('decodePeerIdentity() refuses a key that is not that of the peer id', () => {
  assert.throws(() => decodePeerIdentity(bent(2, mallory.publicKey)), coded(INVALID))
})

const list = (count: number, one: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => one(i))

const REFUSED: readonly (readonly [string, number, Cbor])[] = [
  ['a peer that is none', 1, Uint8Array.of(1, 2, 3)],
  ['a peer as text', 1, 'x'],
  ['a short key', 2, new Uint8Array(31)],
  ['more endpoints than may be', 3, list(ENDPOINTS_MAX + 1, (i) => `/ip4/192.0.2.${i}`)],
  ['an endpoint that is no address', 3, ['example.org']],
  ['an endpoint that is too long', 3, [`/${'x'.repeat(256)}`]],
  ['an endpoint twice', 3, ['/ip4/192.0.2.1', '/ip4/192.0.2.1']],
  ['endpoints that are no list', 3, '/ip4/192.0.2.1'],
  ['more capabilities than may be', 4, list(CAPABILITIES_MAX + 1, (i) => `c${i}`)],
  ['a capability that hides a control', 4, ['a\u001b[2J']],
  ['a capability that is too long', 4, ['x'.repeat(129)]],
  ['a capability that is no text', 4, [7]],
  ['a time before all time', 5, -1],
  ['a time that is no number', 5, null],
  ['a short signature', 6, new Uint8Array(63)],
]

for (const [what, field, value] of REFUSED) {
  test(`decodePeerIdentity() refuses ${what}`, () => {
    assert.throws(() => decodePeerIdentity(bent(field, value)), coded(INVALID))
  })
}

test('decodePeerIdentity() refuses a field too many, and bytes too many', () => {
  assert.throws(() => decodePeerIdentity(bent(7, 1)), coded(INVALID))
  assert.throws(() => decodePeerIdentity(encodeCbor([])), coded(INVALID))
  const long = bent(
    4,
    list(CAPABILITIES_MAX, (i) => `${i}`.padEnd(128, 'x')),
  )
  assert.throws(() => decodePeerIdentity(long), coded('WIRE_TOO_LONG'))
})

test('checkPeerIdentity() refuses what somebody else signed, and every change after signing', async () => {
  const other = await signPeerIdentity(said, mallory, AT)
  const { signature } = other
  assert.throws(() => checkPeerIdentity({ ...said, signature }, NOW), coded(INVALID))
  for (const change of [
    { endpoints: [...said.endpoints].reverse() },
    { capabilities: said.capabilities.slice(1) },
    { lastSeenMs: said.lastSeenMs - 1 },
  ]) {
    assert.throws(() => checkPeerIdentity({ ...said, ...change }, NOW), coded(INVALID))
  }
})

test('checkPeerIdentity() refuses another network, and what comes from the future', () => {
  checkPeerIdentity(said, { network: 'test', nowMs: 1_000_000 - 60_000 })
  const early = { network: 'test', nowMs: 1_000_000 - 60_001 }
  assert.throws(() => checkPeerIdentity(said, early), coded(INVALID))
  assert.throws(() => checkPeerIdentity(said, { ...NOW, network: 'main' }), coded(INVALID))
})
