import assert from 'node:assert/strict'
import { test } from 'node:test'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { fromHex, hasCode, seededRandom, toHex } from '../base/index.ts'
import {
  ethAddress,
  ethAddressFromBytes,
  ethAddressToBytes,
  ethKeyFromText,
  ethKeyOf,
  ethSigner,
  ethSignerOf,
  isEthAddress,
  keccak256,
  newEthKey,
} from './ethereum.ts'

/** The examples of EIP-55. */
const EIP55 = [
  '0x52908400098527886E0F7030069857D2E4169EE7',
  '0x8617E340B3D01FA5F11F306F4090FD50E238070D',
  '0xde709f2102306220921060314715629080e2fb77',
  '0x27b1fdb04752bbc536007a920d24acb045561c26',
  '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
  '0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB',
  '0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb',
]

/** The example of web3.js: what wallets make of "Some data" with this key. */
const KEY = '4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'
const OWNER = '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23'
const SIGNATURE =
  'b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd' +
  '6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c'

const signer = ethSigner(fromHex(KEY))
const ORDER = secp256k1.Point.Fn.ORDER

test('addresses are written as EIP-55 has them, and read in lower and upper case', () => {
  for (const text of EIP55) {
    assert.equal(ethAddress(text), text)
    assert.equal(ethAddress(text.toLowerCase()), text)
    assert.equal(ethAddress(`0x${text.slice(2).toUpperCase()}`), text)
    assert.equal(ethAddressFromBytes(ethAddressToBytes(ethAddress(text))), text)
  }
})

test('an address with one letter in the other case is refused', () => {
  for (const text of EIP55.slice(4)) {
    const at = 2 + text.slice(2).search(/[a-f]/i)
    const letter = text.charAt(at)
    const other = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()
    const wrong = text.slice(0, at) + other + text.slice(at + 1)
    assert.throws(() => ethAddress(wrong), coded('IDENTITY_ETH_ADDRESS_INVALID'))
  }
})

test('what is no address is refused, and not shown as it is on a terminal', () => {
  const wrong = ['', '0x', OWNER.slice(2), `${OWNER}0`, OWNER.slice(0, -1), `0X${OWNER.slice(2)}`]
  for (const text of [...wrong, `${OWNER}\n`, `0x${'g'.repeat(40)}`]) {
    assert.throws(() => ethAddress(text), coded('IDENTITY_ETH_ADDRESS_INVALID'))
    assert.equal(isEthAddress(text), false, text)
  }
  assert.throws(
    () => ethAddress('\u001b[2J'),
    (error) => error instanceof Error && !error.message.includes('\u001b'),
  )
  assert.throws(() => ethAddressFromBytes(new Uint8Array(19)), /19 bytes/)
})

test('any 20 bytes are an address and come back from its text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (bytes) => {
      const address = ethAddressFromBytes(bytes)
      assert.deepEqual(ethAddressToBytes(address), bytes)
      assert.equal(ethAddress(address.toLowerCase()), address)
      assert.equal(isEthAddress(address), true)
    }),
  )
})

test('Keccak-256 is that of Ethereum, not the SHA3-256 of the standard', () => {
  const empty = 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
  assert.equal(toHex(keccak256(new Uint8Array())), empty)
})

test('a signature is that of every wallet, and names its signer', () => {
  assert.equal(signer.address, OWNER)
  assert.equal(toHex(signer.signMessage('Some data')), SIGNATURE)
  assert.equal(ethSignerOf('Some data', fromHex(SIGNATURE)), OWNER)
  const first = 'ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
  assert.equal(ethSigner(fromHex(first)).address, '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266')
})

test('the key of a signature is that of its peer id, as libp2p writes secp256k1 keys', async () => {
  const seed = seededRandom('key of a peer').bytes(32)
  const one = ethSigner(seed)
  const stock = privateKeyFromRaw(seed)
  const { address, peer } = ethKeyOf('x', one.signMessage('x')) ?? assert.fail('nobody signed')
  assert.equal(address, one.address)
  assert.equal(peer, peerIdFromPrivateKey(stock).toString())
})

test('whoever signs a message is found, and nobody else for another message or other bytes', () => {
  const keyed = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(keyed, fc.string({ unit: 'binary' }), fc.nat(64), (seed, text, at) => {
      const one = ethSigner(newEthKey(seededRandom(toHex(seed))))
      const signature = one.signMessage(text)
      assert.equal(ethSignerOf(text, signature), one.address)
      assert.equal(ethSignerOf(new TextEncoder().encode(text), signature), one.address)
      assert.notEqual(ethSignerOf(`${text}.`, signature), one.address)
      const bent = Uint8Array.from(signature)
      bent[at] = (bent[at] ?? 0) ^ 1
      assert.notEqual(ethSignerOf(text, bent), one.address)
    }),
    { numRuns: 30 },
  )
})

test('the other spellings of a signature are no signatures: high s, and v of 0 or 1', () => {
  const signature = fromHex(SIGNATURE)
  const s = BigInt(`0x${toHex(signature.subarray(32, 64))}`)
  const high = (ORDER - s).toString(16).padStart(64, '0')
  const flipped = signature[64] === 27 ? 28 : 27
  const twin = fromHex(SIGNATURE.slice(0, 64) + high + flipped.toString(16))
  assert.equal(ethSignerOf('Some data', twin), undefined)

  const bare = Uint8Array.from(signature)
  bare[64] = (bare[64] ?? 0) - 27
  assert.equal(ethSignerOf('Some data', bare), undefined)
})

test('r and s out of range, and other lengths, are no signatures', () => {
  const signature = fromHex(SIGNATURE)
  const order = fromHex(ORDER.toString(16))
  for (const [at, bytes] of [
    [0, new Uint8Array(32)],
    [0, order],
    [0, new Uint8Array(32).fill(255)],
    [32, new Uint8Array(32)],
  ] as const) {
    const wrong = Uint8Array.from(signature)
    wrong.set(bytes, at)
    assert.equal(ethSignerOf('Some data', wrong), undefined)
  }
  for (const length of [0, 64, 66]) {
    assert.equal(ethSignerOf('Some data', new Uint8Array(length)), undefined)
  }
})

test('any 65 bytes are somebody’s signature or none, and never an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 65, maxLength: 65 }), (bytes) => {
      const found = ethSignerOf('x', bytes)
      assert.equal(found === undefined || isEthAddress(found), true)
    }),
  )
})

test('a key is read as wallets write it, and what is none is refused without being shown', () => {
  assert.deepEqual(ethKeyFromText(KEY), fromHex(KEY))
  assert.deepEqual(ethKeyFromText(` 0x${KEY.toUpperCase()}\n`), fromHex(KEY))
  const none = ['', '0x', KEY.slice(1), `${KEY}0`, '0'.repeat(64), ORDER.toString(16)]
  for (const text of none) {
    assert.throws(
      () => ethKeyFromText(text),
      (error) => {
        return hasCode(error, 'IDENTITY_ETH_KEY_INVALID') && !error.message.includes('4c0883')
      },
    )
  }
  assert.throws(() => ethSigner(new Uint8Array(32)), coded('IDENTITY_ETH_KEY_INVALID'))
  assert.throws(() => ethSigner(new Uint8Array(31)), coded('IDENTITY_ETH_KEY_INVALID'))
})

test('newEthKey() tries again where chance gave no key', () => {
  const given = [new Uint8Array(32), fromHex(KEY)]
  const random = { bytes: () => given.shift() ?? assert.fail('asked too often'), int: () => 0 }
  assert.deepEqual(newEthKey(random), fromHex(KEY))
})
