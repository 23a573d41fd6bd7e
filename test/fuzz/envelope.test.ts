/**
 * What carries calls of peers against noise and bent truth: the decoder returns an envelope of the
 * form that it would write again, or throws; a server believes nothing but the truth, once; the
 * words before and around a call are read or refused.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodedError, hasCode, seededRandom, silentLog } from '../../src/base/index.ts'
import { generateKeys } from '../../src/identity/index.ts'
import { isSealed, openEnvelope, sealEnvelope } from '../../src/mcp/envelope.ts'
import { decodeAsk, decodeReady, encodeAsk, unsignedNo } from '../../src/mcp/relay-protocol.ts'
import { RelayedServer } from '../../src/mcp/relayed-server.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const random = seededRandom('fuzz-envelope')
const alice = generateKeys(random).signer
const bob = generateKeys(random).signer
const network = 'main'
const clock = new FakeClock(1_000_000)
const text = {
  id: random.bytes(16),
  method: 'tools/call',
  params: '{"name":"add"}',
  from: alice.peer,
  to: bob.peer,
  sentAtMs: clock.now() + 5,
}
const TRUTH = Buffer.from(await sealEnvelope(text, alice, { network }))
const WORDS = [
  Buffer.from(encodeAsk({ to: bob.peer, bytes: 9 })),
  Buffer.from('{"ready":true,"nowMs":5}'),
  Buffer.from('{"error":{"code":"MCP_BUSY","message":"x","retryable":true}}'),
]

const bentOf = (truth: fc.Arbitrary<Buffer>) =>
  fc
    .record({ of: truth, at: fc.nat(), cut: fc.nat(16), put: fc.uint8Array({ maxLength: 16 }) })
    .map(({ of, at, cut, put }) => {
      const start = at % (of.length + 1)
      return Buffer.concat([of.subarray(0, start), put, of.subarray(start + cut)])
    })

function check<T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, holds), { numRuns: CASES, seed: SEED })
}

const noise = fc.uint8Array({ maxLength: 256 })
const CODES = ['MCP_ENVELOPE_INVALID', 'MCP_ENVELOPE_STALE', 'MCP_ENVELOPE_REPLAYED'] as const

test('whatever comes, it is an envelope or refused; what is believed is the truth', () => {
  check(fc.oneof(bentOf(fc.constant(TRUTH)), noise), (bytes) => {
    try {
      const read = openEnvelope(bytes)
      if (isSealed(read, { network })) assert.deepEqual(Buffer.from(bytes), TRUTH)
    } catch (error) {
      assert.ok(hasCode(error, ...CODES), String(error))
    }
  })
})

test('a server takes the truth once, and nothing else ever', () => {
  const streams = { take: async () => assert.fail('nothing is served') }
  const deps = { signer: bob, streams, clock, log: silentLog, network }
  const server = new RelayedServer(deps, { requestTimeoutMs: 1_000 })
  let taken = 0
  check(fc.oneof(bentOf(fc.constant(TRUTH)), fc.constant(TRUTH), noise), (bytes) => {
    try {
      server.check(bytes, bob.peer)
      assert.deepEqual(Buffer.from(bytes), TRUTH)
      taken += 1
    } catch (error) {
      assert.ok(hasCode(error, ...CODES), String(error))
    }
  })
  assert.equal(taken, 1)
})

test('the words around a call are read or refused with a code', () => {
  const word = fc.constantFrom(...WORDS)
  check(fc.oneof(bentOf(word), word, noise, fc.json().map(Buffer.from)), (bytes) => {
    for (const read of [decodeAsk, decodeReady, unsignedNo]) {
      try {
        read(bytes)
      } catch (error) {
        assert.ok(error instanceof CodedError, String(error))
      }
    }
  })
})
