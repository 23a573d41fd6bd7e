/**
 * The decoder of capability tokens against noise and bent truth: it returns a capability or throws
 * one of its own errors, and what it returns was signed as it stands.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { attenuateCapability, issueCapability, openCapability } from '../../src/access/index.ts'
import { hasCode, seededRandom } from '../../src/base/index.ts'
import { generateKeys } from '../../src/identity/index.ts'
import { type Cbor, encodeCbor } from '../../src/wire/index.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const random = seededRandom('fuzz-capability')
const [host, alice, bob] = [1, 2, 3].map(() => generateKeys(random).signer)
assert.ok(host !== undefined && alice !== undefined && bob !== undefined)
const claims = { service: 'files', tool: '*', args: {}, notBefore: 0, expires: 9, callsMax: 3 }
const args = { path: { kind: 'prefix', path: '/x' }, n: { kind: 'max', limit: 3 } } as const
const made = { signer: host, network: 'main', random }
const root = await issueCapability({ ...claims, args, audience: alice.peer }, made)
const less = { tool: 'read', audience: bob.peer }
const next = await attenuateCapability(root, less, { ...made, signer: alice })
const CORPUS = [root, next].map((token) => Buffer.from(token, 'base64url'))

const bent = fc
  .record({
    truth: fc.constantFrom(...CORPUS),
    at: fc.nat(),
    cut: fc.nat(16),
    put: fc.uint8Array({ maxLength: 16 }),
  })
  .map(({ truth, at, cut, put }) => {
    const start = at % (truth.length + 1)
    return Buffer.concat([truth.subarray(0, start), put, truth.subarray(start + cut)])
  })

const { tree } = fc.letrec<{ tree: Cbor }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.integer(),
    fc.string({ maxLength: 8 }).filter((text) => text.isWellFormed() && !text.startsWith('\ufeff')),
    fc.uint8Array({ maxLength: 70 }),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(fc.integer({ min: 0, max: 10 }).map(String), tie('tree')).map((entries) => {
      return new Map(Object.entries(entries).map(([key, value]) => [Number(key), value]))
    }),
  ),
}))
const shaped = fc
  .array(fc.tuple(tree.map(encodeCbor), fc.uint8Array({ minLength: 64, maxLength: 64 })), {
    maxLength: 10,
  })
  .map((blocks) => encodeCbor([1, blocks]))

const input = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
  bent.map((bytes) => bytes.toString('base64url')),
  shaped.map((bytes) => Buffer.from(bytes).toString('base64url')),
  fc.string({ maxLength: 100 }),
)
const whole = new Set([root, next])

test(`openCapability() survives whatever it is given (seed ${SEED})`, () => {
  fc.assert(
    fc.property(input, (token) => {
      try {
        openCapability(token, 'main')
      } catch (error) {
        const codes = ['ACCESS_GRANT_INVALID', 'ACCESS_GRANT_FORGED', 'ACCESS_GRANT_WIDENED']
        assert.ok(hasCode(error, ...codes), String(error))
        return
      }
      assert.ok(whole.has(token), 'what is accepted was signed as it stands')
    }),
    { numRuns: CASES, seed: SEED },
  )
})
