/** The layer `identity` alone: keys in memory, a signature under a domain, and who may check it. */

import assert from 'node:assert/strict'
import {
  peerIdFromPublicKey,
  signedBytes,
  signerFromSeed,
  verifySignature,
} from 'p2p-foundation/identity'

const signer = signerFromSeed(crypto.getRandomValues(new Uint8Array(32)))
console.log(`I am ${signer.peer}`)
assert.equal(peerIdFromPublicKey(signer.publicKey), signer.peer)

const letter = signedBytes('example letter 1', ['to everybody', 7, Buffer.from('hello')])
const signature = signer.sign(letter)
assert.ok(verifySignature(signer.peer, letter, signature))

// The same fields for another purpose are other bytes: a signature cannot be lent.
const bill = signedBytes('example bill 1', ['to everybody', 7, Buffer.from('hello')])
assert.ok(!verifySignature(signer.peer, bill, signature))
console.log('signed as a letter, worth nothing as a bill')
