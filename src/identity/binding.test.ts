import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { fromHex, seededRandom, toHex } from '../base/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import {
  BINDING_BYTES_MAX,
  BINDING_LIFE_MS_MAX,
  bindingText,
  openBinding,
  readBinding,
  signBinding,
} from './binding.ts'
import { ethSigner, newEthKey } from './ethereum.ts'
import { generateKeys } from './keyring.ts'
import { peerIdFromBytes, peerIdToBytes } from './peer.ts'

const NOW_MS = 1_800_000_000_000
const DAY_MS = 24 * 3_600_000
const NETWORK = 'main'
const rules = { network: NETWORK, nowMs: NOW_MS }
const broken = coded('IDENTITY_BINDING_INVALID')

const eth = ethSigner(newEthKey(seededRandom('eth')))
const otherEth = ethSigner(newEthKey(seededRandom('other eth')))
const node = generateKeys(seededRandom('node')).signer
const otherNode = generateKeys(seededRandom('other node')).signer
const said = { version: NOW_MS, issuedMs: NOW_MS, expiresMs: NOW_MS + DAY_MS }

const sign = (claim: Partial<typeof said> = {}, network = NETWORK) => {
  return signBinding({ ...said, ...claim }, { eth, node }, network)
}

/** The same binding with some fields of the map replaced, nothing signed anew. */
async function with_(fields: readonly (readonly [number, Cbor])[]): Promise<Uint8Array> {
  const map = decodeCbor(await sign(), 'binding', BINDING_BYTES_MAX)
  assert.ok(map instanceof Map)
  for (const [key, value] of fields) map.set(key, value)
  return encodeCbor(map)
}

test('a binding holds for whoever reads it, in its network, until its time is over', async () => {
  const bytes = await sign()
  assert.ok(bytes.length < 300)
  const binding = openBinding(bytes, rules)
  const { ethSignature, peerSignature, ...claim } = binding
  assert.deepEqual(claim, { ...said, peer: node.peer, address: eth.address })
  assert.deepEqual([ethSignature.length, peerSignature.length], [65, 64])
  // What was verified is not verified anew, and its time is looked at all the same.
  assert.equal(openBinding(bytes, rules), binding)
  const atMs = (nowMs: number) => () => openBinding(bytes, { network: NETWORK, nowMs })
  assert.throws(atMs(said.expiresMs), broken)
  assert.throws(atMs(NOW_MS - 60_001), broken)
  assert.equal(atMs(said.expiresMs - 1)().peer, node.peer)
  assert.equal(atMs(NOW_MS - 60_000)().peer, node.peer)
})

test('the text that the ETH key signs says to a person what it is for', async () => {
  const text = bindingText({ ...said, peer: node.peer, address: eth.address }, NETWORK)
  for (const part of [NETWORK, node.peer, eth.address, '2027-01-15T08:00:00.000Z', '2027-01-16']) {
    assert.ok(text.includes(part), part)
  }
  assert.ok(text.startsWith('p2p-foundation binding 1\n'))
})

test('in another network a binding holds for nobody, also when it was verified in its own', async () => {
  const bytes = await sign()
  openBinding(bytes, rules)
  assert.throws(() => openBinding(bytes, { ...rules, network: 'test' }), broken)
})

test('neither key can claim the other alone', async () => {
  const theirs = readBinding(await signBinding(said, { eth: otherEth, node: otherNode }, NETWORK))
  // Somebody else’s signature of the address, or of the peer.
  assert.throws(() => openBinding(new Uint8Array(600), rules), broken)
  for (const fields of [
    [[6, theirs.ethSignature]],
    [[7, theirs.peerSignature]],
    [
      [6, theirs.ethSignature],
      [7, theirs.peerSignature],
    ],
    [[7, new Uint8Array(64)]],
    [[6, new Uint8Array(65)]],
  ] as const) {
    const bytes = await with_(fields)
    assert.throws(() => openBinding(bytes, rules), broken)
  }
  // The peer signs anew for an address whose key it does not have, over the old signature.
  const copied = { address: eth.address, signMessage: () => theirs.ethSignature }
  const claimed = await signBinding(said, { eth: copied, node }, NETWORK)
  assert.throws(() => openBinding(claimed, rules), broken)
  // The address signs for a peer whose key it does not have.
  const mute = { ...otherNode, sign: () => new Uint8Array(64) }
  const lent = await signBinding(said, { eth, node: mute }, NETWORK)
  assert.throws(() => openBinding(lent, rules), broken)
})

test('another peer, address, version or time is not what was signed', async () => {
  const address = fromHex(otherEth.address.slice(2).toLowerCase())
  for (const field of [
    [1, peerIdToBytes(otherNode.peer)],
    [2, address],
    [3, said.version - 1],
    [4, said.issuedMs - 1],
    [5, said.expiresMs + 1],
  ] as const) {
    const bytes = await with_([field])
    assert.throws(() => openBinding(bytes, rules), broken)
  }
})

test('what is signed for another purpose is no binding', async () => {
  const text = bindingText({ ...said, peer: node.peer, address: eth.address }, NETWORK)
  const elsewhere = { ...eth, signMessage: () => eth.signMessage(text.replace('binding 1', 'x')) }
  const bytes = await signBinding(said, { eth: elsewhere, node }, NETWORK)
  assert.throws(() => openBinding(bytes, rules), broken)
})

test('the other spelling of the ETH signature is refused even when the peer signs it', async () => {
  const text = bindingText({ ...said, peer: node.peer, address: eth.address }, NETWORK)
  const low = eth.signMessage(text)
  const s = BigInt(`0x${toHex(low.subarray(32, 64))}`)
  const high = (secp256k1.Point.Fn.ORDER - s).toString(16).padStart(64, '0')
  const twin = Uint8Array.from([...low.subarray(0, 32), ...fromHex(high), low[64] === 27 ? 28 : 27])
  const spelt = { address: eth.address, signMessage: () => twin }
  const bytes = await signBinding(said, { eth: spelt, node }, NETWORK)
  assert.throws(() => openBinding(bytes, rules), broken)
})

test('a binding from the future, and one that would live too long, are refused', async () => {
  const ahead = await sign({ issuedMs: NOW_MS + 60_001 })
  assert.throws(() => openBinding(ahead, rules), broken)
  const high = await sign({ version: NOW_MS + 60_001 })
  assert.throws(() => openBinding(high, rules), broken)
  const expiresMs = NOW_MS + BINDING_LIFE_MS_MAX
  assert.equal(openBinding(await sign({ expiresMs }), rules).expiresMs, expiresMs)
  await assert.rejects(sign({ expiresMs: expiresMs + 1 }), broken)
  await assert.rejects(sign({ expiresMs: NOW_MS }), broken)
  await assert.rejects(sign({ expiresMs: Number.MAX_SAFE_INTEGER }), broken)
  await assert.rejects(sign({ issuedMs: 8.65e15, expiresMs: 8.65e15 + 1 }), broken)
})

test('a peer whose id carries no Ed25519 key signs nothing', async () => {
  const hashed = peerIdFromBytes(Uint8Array.from([0x12, 0x20, ...new Uint8Array(32)]))
  const bytes = await signBinding(said, { eth, node: { ...node, peer: hashed } }, NETWORK)
  assert.throws(() => openBinding(bytes, rules), broken)
})

test('bytes of another form are refused, whatever they are', async () => {
  const wrong: Cbor[] = [null, [], 'x', new Map([[1, 1]])]
  for (const value of wrong) assert.throws(() => readBinding(encodeCbor(value)), broken)
  for (const field of [
    [1, 'text'],
    [2, new Uint8Array(19)],
    [3, -1],
    [4, 'now'],
    [6, new Uint8Array(64)],
    [8, 1],
  ] as const) {
    const bytes = await with_([field])
    assert.throws(() => readBinding(bytes), broken)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      assert.throws(() => openBinding(bytes, rules))
    }),
  )
})

test('no byte of a binding can be another', async () => {
  const bytes = await sign()
  for (const [at, byte] of bytes.entries()) {
    if (at % 5 !== 0) continue
    const bent = Uint8Array.from(bytes)
    bent[at] = byte ^ 1
    assert.throws(() => openBinding(bent, rules), `byte ${at}`)
  }
})
