import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { fromHex, seededRandom, toHex } from '../base/index.ts'
import { generateKeys } from './keyring.ts'
import { peerId, peerIdFromBytes, peerIdFromPublicKey, peerIdToBytes, publicKeyOf } from './peer.ts'
import { verifySignature } from './signed.ts'

/** libp2p specification, peer-ids: the test vector of an Ed25519 public key. */
const SPEC_KEY = '1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e'
const ED25519_HEAD = '002408011220'

test('the key of the libp2p specification gives the id that libp2p gives it', () => {
  const ours = peerIdFromPublicKey(fromHex(SPEC_KEY))
  assert.equal(toHex(peerIdToBytes(ours)), `${ED25519_HEAD}${SPEC_KEY}`)
  assert.equal(peerIdFromString(ours).toString(), ours)
  assert.equal(toHex(publicKeyOf(ours) ?? new Uint8Array()), SPEC_KEY)
})

test('ids from the libp2p documents are read and printed unchanged', () => {
  for (const text of [
    '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA',
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
  ]) {
    assert.equal(peerId(text), text)
    assert.equal(peerIdFromBytes(peerIdToBytes(peerId(text))), text)
  }
})

test('we agree with libp2p about ids of every key type', async () => {
  const theirs = [
    peerIdFromPrivateKey(await generateKeyPair('Ed25519')),
    peerIdFromPrivateKey(await generateKeyPair('secp256k1')),
    peerIdFromPrivateKey(await generateKeyPair('RSA', 2_048)),
  ]
  for (const id of theirs) {
    const ours = peerId(id.toString())
    assert.equal(toHex(peerIdToBytes(ours)), toHex(id.toMultihash().bytes))
    assert.equal(publicKeyOf(ours) === undefined, id.type !== 'Ed25519')
  }
})

test('our own keys have ids that libp2p reads', () => {
  const random = seededRandom('peer')
  for (let i = 0; i < 20; i += 1) {
    const { signer } = generateKeys(random)
    assert.equal(peerIdFromString(signer.peer).toString(), signer.peer)
    assert.deepEqual(publicKeyOf(signer.peer), signer.publicKey)
  }
})

test('keys of small order are refused: one signature would serve for every message', () => {
  const weak = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '0000000000000000000000000000000000000000000000000000000000000080',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  ]
  for (const key of weak) {
    assert.throws(() => peerIdFromPublicKey(fromHex(key)), coded('IDENTITY_PEER_ID_INVALID'), key)
  }
})

test('keys in a second spelling, or of another length, are refused', () => {
  const beyondP = `f0${'ff'.repeat(30)}7f`
  for (const key of [beyondP, SPEC_KEY.slice(2), `${SPEC_KEY}00`, '']) {
    assert.throws(() => peerIdFromPublicKey(fromHex(key)), coded('IDENTITY_PEER_ID_INVALID'), key)
  }
})

test('an id whose key is no point of the curve can be read, and nobody can sign as it', () => {
  const peer = peerIdFromPublicKey(fromHex(`02${'00'.repeat(31)}`))
  const { signer } = generateKeys(seededRandom('no point'))
  const bytes = fromHex('00')
  for (const signature of [signer.sign(bytes), new Uint8Array(64), new Uint8Array(64).fill(1)]) {
    assert.equal(verifySignature(peer, bytes, signature), false)
  }
})

test('multihashes that no libp2p key has are refused', () => {
  const wrong = {
    nothing: '',
    'empty identity': '0000',
    'another hash function': `1320${'11'.repeat(32)}`,
    'short hash': `1220${'11'.repeat(31)}`,
    'long hash': `1220${'11'.repeat(33)}`,
    'fields in another order': `00241220${SPEC_KEY}0801`,
    'another key type of the same length': `002408001220${SPEC_KEY}`,
    'secp256k1, cut': `0024080212${'21'.repeat(33)}`,
    'secp256k1, long': `002508021221${'02'.repeat(34)}`,
  }
  for (const [name, hex] of Object.entries(wrong)) {
    assert.throws(() => peerIdFromBytes(fromHex(hex)), coded('IDENTITY_PEER_ID_INVALID'), name)
  }
})

test('bytes too long for any id are refused before they cost anything', () => {
  const begun = performance.now()
  for (let i = 0; i < 20; i += 1) {
    const long = new Uint8Array(8_600).fill(255)
    assert.throws(() => peerIdFromBytes(long), coded('IDENTITY_PEER_ID_INVALID'))
  }
  assert.ok(performance.now() - begun < 1_000, 'base58 of one takes 200 ms')
})

test('an id is worked out once, however often its bytes come, and is then the same text', () => {
  const { peer } = generateKeys(seededRandom('once')).signer
  const bytes = peerIdToBytes(peer)
  assert.equal(peerIdFromBytes(Uint8Array.from(bytes)), peer)
  assert.equal(peerIdToBytes(peerId(peer)), bytes)
})

test('whoever changes the bytes an id was read from does not change the id', () => {
  const bytes = Uint8Array.from(fromHex(`${ED25519_HEAD}${SPEC_KEY}`))
  const peer = peerIdFromBytes(bytes)
  bytes.fill(0)
  assert.equal(toHex(peerIdToBytes(peer)), `${ED25519_HEAD}${SPEC_KEY}`)
})

test('text that is no base58 peer id is refused, however long', () => {
  const id = peerIdFromPublicKey(fromHex(SPEC_KEY))
  const wrong = [
    '',
    ' ',
    `${id} `,
    `z${id}`,
    id.slice(1),
    id.toLowerCase(),
    `${id}0`,
    'bafzaa',
    'x'.repeat(1e6),
  ]
  for (const text of wrong) {
    assert.throws(() => peerId(text), coded('IDENTITY_PEER_ID_INVALID'), text.slice(0, 60))
  }
})

test('every text is a peer id or a coded error', () => {
  const base58 = fc.string({
    unit: fc.constantFrom(
      ...'123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'.split(''),
    ),
    maxLength: 60,
  })
  fc.assert(
    fc.property(base58, (text) => {
      try {
        assert.equal(peerId(text), text)
      } catch (error) {
        assert.ok(coded('IDENTITY_PEER_ID_INVALID')(error))
      }
    }),
  )
})
