import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import fc from 'fast-check'
import { equalBytes, fromHex, seededRandom, toHex, utf8 } from '../base/index.ts'
import {
  AES_128_GCM,
  openAt,
  sealAt,
  setupReceiver,
  setupSender,
  TAG_BYTES,
  x25519Keys,
} from './hpke.ts'

/** RFC 9180 A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode. */
const RFC = {
  info: fromHex('4f6465206f6e2061204772656369616e2055726e'),
  ephemeral: x25519Keys(
    fromHex('52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736'),
  ),
  recipient: x25519Keys(
    fromHex('4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8'),
  ),
  enc: '37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431',
  publicKey: '3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d',
  key: '4531685d41d65f03dc48f6b8302c05b0',
  baseNonce: '56d890e5accaaf011cff4b7d',
  plaintext: fromHex('4265617574792069732074727574682c20747275746820626561757479'),
  sealed: [
    'f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a',
    'af2d7e9ac9ae7e270f46ba1f975be53c09f8d875bdc8535458c2494e8a6eab251c03d0c22a56b8ca42c2063b84',
  ],
}

const random = seededRandom('hpke')
const recipient = x25519Keys(random.bytes(32))
const info = utf8('info')

function pair() {
  const ephemeral = x25519Keys(random.bytes(32))
  const sender = setupSender(recipient.publicKey, info, ephemeral)
  const receiver = setupReceiver(ephemeral.publicKey, info, recipient)
  assert.ok(sender !== undefined && receiver !== undefined)
  return { sender, receiver, enc: ephemeral.publicKey }
}

test('the vectors of RFC 9180 A.1.1 come out, for sender and receiver', () => {
  assert.equal(toHex(RFC.ephemeral.publicKey), RFC.enc)
  assert.equal(toHex(RFC.recipient.publicKey), RFC.publicKey)
  const contexts = [
    setupSender(RFC.recipient.publicKey, RFC.info, RFC.ephemeral, AES_128_GCM),
    setupReceiver(RFC.ephemeral.publicKey, RFC.info, RFC.recipient, AES_128_GCM),
  ]
  for (const context of contexts) {
    assert.ok(context !== undefined)
    assert.equal(toHex(context.key), RFC.key)
    assert.equal(toHex(context.baseNonce), RFC.baseNonce)
    for (const [sequence, expected] of RFC.sealed.entries()) {
      const aad = utf8(`Count-${sequence}`)
      assert.equal(toHex(sealAt(context, sequence, aad, RFC.plaintext)), expected)
      assert.deepEqual(
        Buffer.from(openAt(context, sequence, aad, fromHex(expected)) ?? []),
        Buffer.from(RFC.plaintext),
      )
    }
  }
})

test('what we seal the library opens, and the other way round, in order of their numbers', async () => {
  const suite = new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
  })
  const rawPrivate = random.bytes(32)
  const ours = x25519Keys(rawPrivate)
  const theirs = await suite.kem.deserializePrivateKey(Uint8Array.from(rawPrivate))
  const { publicKey } = ours
  const ephemeral = x25519Keys(random.bytes(32))
  const sender = setupSender(publicKey, info, ephemeral)
  assert.ok(sender !== undefined)
  const opener = await suite.createRecipientContext({
    recipientKey: theirs,
    enc: Uint8Array.from(ephemeral.publicKey),
    info: Uint8Array.from(info),
  })
  const sealer = await suite.createSenderContext({
    recipientPublicKey: await suite.kem.deserializePublicKey(Uint8Array.from(publicKey)),
    info: Uint8Array.from(info),
  })
  const receiver = setupReceiver(new Uint8Array(sealer.enc), info, ours)
  assert.ok(receiver !== undefined)
  for (const sequence of [0, 1, 2]) {
    const aad = Uint8Array.of(sequence)
    const text = Uint8Array.from(random.bytes(100 * sequence))
    const sent: Uint8Array<ArrayBuffer> = Uint8Array.from(sealAt(sender, sequence, aad, text))
    assert.deepEqual(new Uint8Array(await opener.open(sent, aad)), text)
    const came = new Uint8Array(await sealer.seal(text, aad))
    assert.ok(equalBytes(openAt(receiver, sequence, aad, came) ?? new Uint8Array(1), text))
  }
})

test('a body comes back whole, and only under its own number, header and bits', () => {
  const { sender, receiver } = pair()
  const given = fc.record({
    text: fc.uint8Array({ maxLength: 200 }),
    aad: fc.uint8Array({ maxLength: 50 }),
    sequence: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
    flip: fc.nat(),
  })
  fc.assert(
    fc.property(given, ({ text, aad, sequence, flip }) => {
      const sealed = sealAt(sender, sequence, aad, text)
      assert.equal(sealed.length, text.length + TAG_BYTES)
      assert.ok(equalBytes(openAt(receiver, sequence, aad, sealed) ?? Uint8Array.of(9), text))
      assert.equal(openAt(receiver, sequence + 1, aad, sealed), undefined)
      assert.equal(openAt(receiver, sequence, Uint8Array.of(...aad, 0), sealed), undefined)
      const bent = Uint8Array.from(sealed)
      const at = flip % (8 * bent.length)
      bent[at >> 3] = (bent[at >> 3] ?? 0) ^ (1 << (at & 7))
      assert.equal(openAt(receiver, sequence, aad, bent), undefined)
    }),
    { numRuns: 200 },
  )
})

test('what is too short for a tag is not opened', () => {
  const { receiver } = pair()
  assert.equal(openAt(receiver, 0, info, new Uint8Array(TAG_BYTES - 1)), undefined)
})

test('another info or another recipient derives another key', () => {
  const { sender, enc } = pair()
  const others = [
    setupReceiver(enc, utf8('other'), recipient),
    setupReceiver(enc, info, x25519Keys(random.bytes(32))),
  ]
  for (const other of others) {
    assert.ok(other !== undefined)
    assert.notEqual(toHex(other.key), toHex(sender.key))
    assert.equal(openAt(other, 0, info, sealAt(sender, 0, info, info)), undefined)
  }
})

test('keys with which everybody shares one secret are refused on both sides', () => {
  const small = [
    new Uint8Array(32),
    Uint8Array.of(1, ...new Uint8Array(31)),
    fromHex('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'),
    new Uint8Array(31),
  ]
  for (const key of small) {
    assert.equal(setupSender(key, info, x25519Keys(random.bytes(32))), undefined)
    assert.equal(setupReceiver(key, info, recipient), undefined)
  }
})
