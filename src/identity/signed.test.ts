import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromHex, seededRandom, toHex, utf8 } from '../base/index.ts'
import { generateKeys } from './keyring.ts'
import { peerId } from './peer.ts'
import {
  SIGNATURE_BYTES,
  type SignedField,
  signedBytes,
  signerFromSeed,
  verifySignature,
} from './signed.ts'

const random = seededRandom('signed')
const { signer: alice } = generateKeys(random)
const { signer: bob } = generateKeys(random)

const field: fc.Arbitrary<SignedField> = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.string({ maxLength: 20 }),
  fc.maxSafeNat(),
)

test('a signature holds for its signer and its bytes, and for nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(511), (bytes, bit) => {
      const signature = alice.sign(bytes)
      assert.equal(signature.length, SIGNATURE_BYTES)
      assert.equal(verifySignature(alice.peer, bytes, signature), true)
      assert.equal(verifySignature(bob.peer, bytes, signature), false)
      assert.equal(verifySignature(alice.peer, Uint8Array.of(...bytes, 0), signature), false)
      const bent = signature.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
      assert.equal(verifySignature(alice.peer, bytes, bent), false)
    }),
    { numRuns: 50 },
  )
})

test('a signature under one domain says nothing under another', () => {
  const fields = ['value', 7]
  const signature = alice.sign(signedBytes('p2p-foundation dht 1', fields))
  const other = signedBytes('p2p-foundation agent 1', fields)
  assert.equal(verifySignature(alice.peer, other, signature), false)
})

test('fields cannot lend bytes to each other, nor to the domain', () => {
  const same = (a: Uint8Array, b: Uint8Array) => toHex(a) === toHex(b)
  assert.equal(same(signedBytes('d', ['ab', 'c']), signedBytes('d', ['a', 'bc'])), false)
  assert.equal(same(signedBytes('d', ['ab']), signedBytes('d', ['ab', ''])), false)
  assert.equal(same(signedBytes('da', ['b']), signedBytes('d', ['ab'])), false)
  const bytes = (given: SignedField) => toHex(signedBytes('', [given]))
  fc.assert(
    fc.property(fc.array(field), fc.array(field), (a, b) => {
      const equal =
        a.length === b.length && a.every((given, i) => bytes(given) === bytes(b[i] ?? ''))
      assert.equal(same(signedBytes('d', a), signedBytes('d', b)), equal)
    }),
  )
})

test('what is signed is laid out as documented', () => {
  const bytes = signedBytes('dom', [utf8('ab'), 'c', 258])
  assert.equal(
    toHex(bytes),
    '00000003' +
      '646f6d' +
      '00000002' +
      '6162' +
      '00000001' +
      '63' +
      '00000008' +
      '0000000000000102',
  )
})

test('numbers that are no counts are not signed', () => {
  for (const wrong of [-1, 0.5, 2 ** 53]) assert.throws(() => signedBytes('d', [wrong]))
})

test('signatures are those of RFC 8032 §7.1', () => {
  const signer = signerFromSeed(
    fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'),
  )
  assert.equal(
    toHex(signer.publicKey),
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
  )
  assert.equal(
    toHex(signer.sign(Uint8Array.of(0x72))),
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
      '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  )
})

test('a second form of a valid signature is refused (RFC 8032 §5.1.7: S below the order)', () => {
  const bytes = utf8('malleable')
  const signature = alice.sign(bytes)
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const s = BigInt(`0x${toHex(signature.slice(32).toReversed())}`) + order
  const forged = Uint8Array.from([
    ...signature.slice(0, 32),
    ...fromHex(s.toString(16).padStart(64, '0')).toReversed(),
  ])
  assert.equal(forged.length, SIGNATURE_BYTES)
  assert.equal(verifySignature(alice.peer, bytes, forged), false)
})

test('signatures of another length, and of peers whose id carries no key, never hold', () => {
  const bytes = utf8('x')
  for (const size of [0, 63, 65]) {
    assert.equal(verifySignature(alice.peer, bytes, new Uint8Array(size)), false)
  }
  const hashed = peerId('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N')
  assert.equal(verifySignature(hashed, bytes, alice.sign(bytes)), false)
})
