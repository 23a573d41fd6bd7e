import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { base58btc } from 'multiformats/bases/base58'
import { coded } from '../../test/support/expect.ts'
import { seededRandom } from '../base/index.ts'
import { agreementOf } from './agreement.ts'
import { generateKeys } from './keyring.ts'
import { type PeerId, peerId } from './peer.ts'

const keysOf = (seed: string) => generateKeys(seededRandom(seed))
const agreement = (seed: string) => agreementOf(keysOf(seed)) ?? assert.fail()

test('two nodes agree on the same secret, and no third one does', () => {
  const [alice, bob, eve] = [keysOf('alice'), keysOf('bob'), keysOf('eve')]
  const secret = agreement('alice')(bob.signer.peer)
  assert.equal(secret?.length, 32)
  assert.deepEqual(agreement('bob')(alice.signer.peer), secret)
  assert.notDeepEqual(agreement('eve')(bob.signer.peer), secret)
  assert.notDeepEqual(agreement('alice')(eve.signer.peer), secret)
})

test('the secret is that of the map of RFC 7748, done by another library', () => {
  for (let i = 0; i < 50; i += 1) {
    const [mine, theirs] = [keysOf(`mine ${i}`), keysOf(`theirs ${i}`)]
    const secret = x25519.getSharedSecret(
      ed25519.utils.toMontgomerySecret(mine.raw.subarray(0, 32)),
      ed25519.utils.toMontgomery(theirs.signer.publicKey),
    )
    const own = agreement(`mine ${i}`)(theirs.signer.peer)
    assert.deepEqual(Buffer.from(own ?? []), Buffer.from(secret))
  }
})

test('there is no secret with an id that carries no Ed25519 key', () => {
  // SHA-256 of a public key, and a secp256k1 key.
  assert.equal(agreement('a')(peerId('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N')), undefined)
  const secp = '16Uiu2HAmNfCSSVwsCMfVaa58bzJUuh9r4j6R8A1FBCxJQhnYRaCQ'
  assert.equal(agreement('a')(secp as PeerId), undefined)
})

test('there is no secret with a key of small order, which would be the same with everybody', () => {
  const small = ['00'.repeat(32), `01${'00'.repeat(31)}`, `ec${'ff'.repeat(30)}7f`]
  for (const key of small) {
    const id = base58btc.baseEncode(Buffer.from(`002408011220${key}`, 'hex')) as PeerId
    assert.throws(() => agreement('a')(id), coded('IDENTITY_PEER_ID_INVALID'), key)
  }
})

test('keys whose secret is kept elsewhere agree on nothing', () => {
  assert.equal(agreementOf({ signer: keysOf('a').signer }), undefined)
})
