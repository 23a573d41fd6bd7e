import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { hasCode, seededRandom } from '../base/index.ts'
import { generateKeys, signedBytes } from '../identity/index.ts'
import { attenuateCapability, issueCapability, openCapability } from './capability.ts'
import { type Claims, covers, type Narrowing, outsideOf } from './capability-claims.ts'
import { decodeToken, encodeNext, encodeToken, TOKEN_CHARS_MAX } from './capability-codec.ts'
import { type ArgRule, isWithin, passes } from './capability-rules.ts'

const random = seededRandom('capability')
const [host, alice, bob, carol] = Array.from({ length: 4 }, () => generateKeys(random).signer)
const network = 'main'
const RIGHTS: Claims = {
  service: 'files',
  tool: '*',
  args: { path: { kind: 'prefix', path: '/x' } },
  notBefore: 1_000,
  expires: 2_000,
  callsMax: 10,
}

const by = (signer: typeof host) => {
  assert.ok(signer !== undefined)
  return { signer, network, random }
}
const peerOf = (signer: typeof host) => by(signer).signer.peer
const rootFor = (signer: typeof host, over: Partial<Claims> = {}) => {
  return issueCapability({ ...RIGHTS, ...over, audience: peerOf(signer) }, by(host))
}

test('a token says who gave it to whom, and what it allows', async () => {
  const capability = openCapability(await rootFor(alice), network)
  assert.equal(capability.issuer, peerOf(host))
  assert.equal(capability.audience, peerOf(alice))
  assert.deepEqual(capability.chain, [peerOf(host), peerOf(alice)])
  assert.deepEqual(capability.rights, RIGHTS)
  assert.match(capability.id, /^[0-9a-f]{32}$/)
})

test('a token is handed on offline, and the last one sees through whose hands it came', async () => {
  const less = {
    tool: 'read',
    callsMax: 3,
    args: { path: { kind: 'prefix', path: '/x/y' } },
  } as const
  const first = await rootFor(alice)
  const second = await attenuateCapability(first, { ...less, audience: peerOf(bob) }, by(alice))
  const third = await attenuateCapability(
    second,
    { expires: 1_500, audience: peerOf(carol) },
    by(bob),
  )
  const { chain, rights, id, blocks, audience } = openCapability(third, network)
  assert.deepEqual(chain, [host, alice, bob, carol].map(peerOf))
  assert.deepEqual(rights, { ...RIGHTS, ...less, expires: 1_500 })
  assert.equal(id, openCapability(first, network).id)
  assert.equal(audience, peerOf(carol))
  assert.deepEqual(
    blocks.map(({ callsMax }) => callsMax),
    [10, 3, null],
  )
})

const WIDER: readonly [string, Narrowing][] = [
  ['expires', { expires: 2_001 }],
  ['notBefore', { notBefore: 999 }],
  ['callsMax', { callsMax: 11 }],
  ['argument "path"', { args: { path: { kind: 'prefix', path: '/' } } }],
  ['argument "path"', { args: { path: { kind: 'equals', value: '/xy' } } }],
  ['argument "path"', { args: { path: { kind: 'max', limit: 1 } } }],
]

for (const [what, wider] of WIDER) {
  test(`a block that widens ${what} is refused: ${JSON.stringify(wider)}`, async () => {
    const token = await rootFor(alice)
    const asked = { ...wider, audience: peerOf(bob) }
    await assert.rejects(attenuateCapability(token, asked, by(alice)), (error) => {
      return (
        coded('ACCESS_GRANT_WIDENED')(error) && String(error).includes(`block 1 widens ${what}`)
      )
    })
  })
}

test('a holder that signs a wider block itself is refused by who reads it', async () => {
  const [root] = decodeToken(await rootFor(alice, { tool: 'read' }))
  assert.ok(root !== undefined)
  const sealed = (fields: Parameters<typeof encodeNext>[0]) => {
    const domain = 'p2p-foundation capability 1'
    const head = signedBytes(domain, [network, new Uint8Array(), root.payload])
    const payload = encodeNext(fields)
    const before = createHash('sha256').update(head).digest()
    const signature = by(alice).signer.sign(signedBytes(domain, [network, before, payload]))
    return encodeToken([root, { payload, signature }])
  }
  const head = { audience: peerOf(bob), nonce: random.bytes(16) }
  openCapability(sealed({ ...head, expires: 1_999 }), network)
  for (const wider of [{ tool: '*' }, { tool: 'write' }, { expires: 2_001 }, { callsMax: 11 }]) {
    const open = () => openCapability(sealed({ ...head, ...wider }), network)
    assert.throws(open, coded('ACCESS_GRANT_WIDENED'))
  }
})

test('a block of one token is none in another', async () => {
  const narrow = await rootFor(alice, { tool: 'read', callsMax: 1 })
  const wide = await rootFor(alice, { tool: '*' })
  const next = await attenuateCapability(wide, { tool: 'write', audience: peerOf(bob) }, by(alice))
  const [, block] = decodeToken(next)
  const [root] = decodeToken(narrow)
  assert.ok(block !== undefined && root !== undefined)
  assert.throws(
    () => openCapability(encodeToken([root, block]), network),
    coded('ACCESS_GRANT_FORGED'),
  )
})

test('only who may use a token can hand it on', async () => {
  const token = await rootFor(alice)
  const stolen = attenuateCapability(token, { audience: peerOf(carol) }, by(carol))
  await assert.rejects(stolen, coded('ACCESS_GRANT_AUDIENCE'))
})

test('a token of one network is none in another', async () => {
  const token = await rootFor(alice)
  assert.throws(() => openCapability(token, 'other'), coded('ACCESS_GRANT_FORGED'))
})

test('eight blocks are as deep as a chain goes', async () => {
  let token = await rootFor(alice)
  for (let i = 1; i < 8; i += 1) {
    token = await attenuateCapability(token, { audience: peerOf(alice) }, by(alice))
  }
  assert.equal(openCapability(token, network).blocks.length, 8)
  const ninth = attenuateCapability(token, { audience: peerOf(alice) }, by(alice))
  await assert.rejects(ninth, coded('ACCESS_GRANT_REQUEST'))
})

test('a changed bit anywhere makes a token worthless', async () => {
  const root = await rootFor(alice)
  const token = await attenuateCapability(root, { audience: peerOf(bob) }, by(alice))
  const bytes = Buffer.from(token, 'base64url')
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bent = Buffer.from(bytes)
      bent[at] = (bent[at] ?? 0) ^ flip
      const open = () => openCapability(bent.toString('base64url'), network)
      const codes = ['ACCESS_GRANT_INVALID', 'ACCESS_GRANT_FORGED', 'ACCESS_GRANT_WIDENED']
      assert.throws(open, (error) => hasCode(error, ...codes))
    }),
  )
})

test('a token that is too long is refused before it is read', () => {
  assert.throws(() => openCapability('A'.repeat(TOKEN_CHARS_MAX + 1), network), /4097 characters/)
})

const scalar = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.boolean(),
  fc.constantFrom('/x', '/x/y'),
)
const rule: fc.Arbitrary<ArgRule> = fc.oneof(
  fc.record({ kind: fc.constant('equals'), value: scalar }),
  fc.record({
    kind: fc.constant('oneof'),
    values: fc.array(scalar, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('prefix'), path: fc.constantFrom('/', '/x', '/x/y', '/xy', 'x') }),
  fc.record({ kind: fc.constant('max'), limit: fc.integer({ min: -5, max: 5 }) }),
)
const value = fc.oneof(scalar, fc.constantFrom('/xy', '/x/../y', 'x', '/x/y/z', null, '/'))

test('isWithin(): what the inner rule lets through, the outer one does', () => {
  fc.assert(
    fc.property(rule, rule, value, (inner, outer, given) => {
      if (isWithin(inner, outer) && passes(inner, given)) assert.ok(passes(outer, given))
    }),
    { numRuns: 2_000 },
  )
})

test('the rights of a chain are never more than those of any of its blocks', async () => {
  const narrowing = fc.record(
    {
      tool: fc.constantFrom('*', 'read', 'write'),
      args: fc.dictionary(fc.constantFrom('path', 'n'), rule, { minKeys: 1, maxKeys: 2 }),
      notBefore: fc.integer({ min: 900, max: 1_200 }),
      expires: fc.integer({ min: 1_800, max: 2_100 }),
      callsMax: fc.integer({ min: 1, max: 12 }),
    },
    { requiredKeys: [] },
  )
  const args = fc.record({ path: value, n: value })
  await fc.assert(
    fc.asyncProperty(fc.array(narrowing, { maxLength: 3 }), args, async (steps, given) => {
      let token = await rootFor(alice)
      const held: Claims[] = [RIGHTS]
      for (const step of steps) {
        try {
          token = await attenuateCapability(token, { ...step, audience: peerOf(alice) }, by(alice))
        } catch (error) {
          assert.ok(coded('ACCESS_GRANT_WIDENED')(error))
          return
        }
        held.push(openCapability(token, network).rights)
      }
      const { rights } = openCapability(token, network)
      for (const before of held) {
        assert.ok(rights.expires <= before.expires && rights.notBefore >= before.notBefore)
        assert.ok((rights.callsMax ?? 99) <= (before.callsMax ?? 99))
        for (const tool of ['read', 'write']) {
          if (covers(rights, 'files', tool)) assert.ok(covers(before, 'files', tool))
        }
        if (outsideOf(rights, given) === undefined)
          assert.equal(outsideOf(before, given), undefined)
      }
    }),
    { numRuns: 60 },
  )
})
