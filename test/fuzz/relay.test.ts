/**
 * What anybody can send as a message of the relay, of AutoNAT and of DCUtR, noise and bent truth
 * alike: it is understood within bounds, or refused with a code.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodedError } from '../../src/base/index.ts'
import { decodeAutonat, decodeNonce, encodeAutonat } from '../../src/net/autonat-protocol.ts'
import { decodeHolePunch, encodeHolePunch } from '../../src/net/dcutr-protocol.ts'
import { punchTargets } from '../../src/net/punch-targets.ts'
import { decodeHop, decodeStop, encodeHop, encodeStop } from '../../src/net/relay-protocol.ts'
import { signerOf } from '../support/dht-fixture.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const ADDRESSES = ['/ip4/8.8.8.8/tcp/9000', '/ip6/2a00:1::1/udp/9001/quic-v1']
const { peer } = signerOf(1)
const limit = { seconds: 60, bytes: 1_000 }
const reservation = { expiresAtMs: 1_000_000, addresses: ADDRESSES, voucher: new Uint8Array(40) }
const RULES = { kind: undefined, scope: 'global', ours: new Set<string>() } as const

const TRUTHS = [
  encodeHop({ type: 'reserve' }),
  encodeHop({ type: 'connect', peer }),
  encodeHop({ type: 'status', status: 100, reservation, limit }),
  encodeStop({ type: 'connect', peer, limit }),
  encodeAutonat({ kind: 'request', addresses: ADDRESSES, nonce: 7n }),
  encodeAutonat({ kind: 'response', status: 200, index: 1, dial: 200 }),
  encodeHolePunch({ type: 'connect', addresses: ADDRESSES }),
]

/** Noise, or a message with some of its bytes changed or cut off. */
const messages = fc.oneof(
  fc.uint8Array({ maxLength: 512 }),
  fc
    .tuple(fc.constantFrom(...TRUTHS), fc.array(fc.tuple(fc.nat(255), fc.nat(255))), fc.nat(255))
    .map(([truth, changes, cut]) => {
      const bent = truth.slice()
      for (const [at, value] of changes) bent[at % bent.length] = value
      return bent.subarray(0, cut % 3 === 0 ? cut % bent.length : bent.length)
    }),
)

test('messages of relays, dial-backs and punches are read within bounds, or refused', () => {
  fc.assert(
    fc.property(messages, (bytes) => {
      for (const decode of [decodeHop, decodeStop, decodeAutonat, decodeNonce, decodeHolePunch]) {
        try {
          const found = decode(bytes)
          if (typeof found === 'bigint') continue
          const told = 'addresses' in found ? found.addresses : []
          assert.ok(told.length <= 16)
          assert.ok(punchTargets(told, RULES).length <= 4)
        } catch (error) {
          assert.ok(error instanceof CodedError, String(error))
        }
      }
    }),
    { numRuns: CASES, seed: SEED },
  )
})
