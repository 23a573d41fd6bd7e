/**
 * What a peer can say of itself, against noise and against bent truth: decoded or refused with a
 * coded error, and believed only as it was signed.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodedError } from '../../src/base/index.ts'
import {
  CAPABILITIES_MAX,
  checkPeerIdentity,
  decodePeerIdentity,
  ENDPOINTS_MAX,
  encodePeerIdentity,
  signPeerIdentity,
} from '../../src/node/peer-identity.ts'
import { signerOf } from '../support/dht-fixture.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const AT = { network: 'test', lastSeenMs: 1_000 }
const NOW = { network: 'test', nowMs: 1_000 }

const full = {
  endpoints: Array.from({ length: ENDPOINTS_MAX }, (_, i) => `/ip6/2001:db8::${i}/tcp/9000`),
  capabilities: Array.from({ length: CAPABILITIES_MAX }, (_, i) => `mcp:tool:t${i}`),
}
const some = { endpoints: ['/ip4/192.0.2.1/udp/9001/quic-v1'], capabilities: ['dht:server'] }
const none = { endpoints: [], capabilities: [] }
const identities = await Promise.all(
  [full, some, none].flatMap((claims) =>
    [1, 2].map((seed) => signPeerIdentity(claims, signerOf(seed), AT)),
  ),
)
const CORPUS = identities.map(encodePeerIdentity)

const bent = fc
  .record({
    from: fc.constantFrom(...CORPUS),
    into: fc.constantFrom(...CORPUS),
    at: fc.nat(400),
    cut: fc.nat(400),
    put: fc.uint8Array({ maxLength: 6 }),
    bit: fc.nat(3_200),
  })
  .map(({ from, into, at, cut, put, bit }) => {
    const bytes = [...from.subarray(0, at), ...put, ...into.subarray(cut)]
    return Uint8Array.from(bytes, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
  })
/** The same truth with one bit turned, whose form often still holds. */
const turned = fc
  .record({ from: fc.constantFrom(...CORPUS), bit: fc.nat(8 * 2_000) })
  .map(({ from, bit }) => {
    const at = (bit >> 3) % from.length
    return Uint8Array.from(from, (byte, i) => (i === at ? byte ^ (1 << (bit & 7)) : byte))
  })

test(`decodePeerIdentity(): seed ${SEED}`, () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), bent, turned), (bytes) => {
      try {
        const identity = decodePeerIdentity(bytes)
        assert.ok(identity.endpoints.length <= ENDPOINTS_MAX)
        assert.ok(identity.capabilities.length <= CAPABILITIES_MAX)
        assert.equal(Buffer.compare(encodePeerIdentity(identity), bytes), 0)
        checkPeerIdentity(identity, NOW)
        assert.ok(CORPUS.some((truth) => Buffer.compare(truth, bytes) === 0))
      } catch (error) {
        if (!(error instanceof CodedError)) throw error
      }
    }),
    { numRuns: CASES, seed: SEED },
  )
})
