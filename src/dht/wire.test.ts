import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { toHex, utf8 } from '../base/index.ts'
import { peerIdToBytes } from '../identity/index.ts'
import { addressFromBytes } from './multiaddrs.ts'
import {
  ADDRESSES_MAX,
  decodeMessage,
  decodeQuestion,
  encodeMessage,
  MESSAGE_BYTES_MAX,
  MESSAGE_TYPES,
  type Message,
  PEERS_MAX,
} from './wire.ts'

const peers = [1, 2, 3].map((seed) => signerOf(seed).peer)
const info = fc.record(
  {
    peer: fc.constantFrom(...peers),
    addresses: fc.array(
      fc.constantFrom('/ip4/192.0.2.1/tcp/9000', '/ip6/2001:db8::1/udp/9001/quic-v1'),
      { maxLength: ADDRESSES_MAX },
    ),
  },
  { noNullPrototype: true },
)
const infos = fc.array(info, { maxLength: PEERS_MAX })
const key = fc.uint8Array({ minLength: 1, maxLength: 256 })
const messages = fc.record(
  {
    type: fc.constantFrom(...MESSAGE_TYPES),
    key,
    record: fc.record(
      { key, value: fc.uint8Array({ maxLength: 8_192 }) },
      { noNullPrototype: true },
    ),
    closer: infos,
    providers: infos,
  },
  { noNullPrototype: true },
)

test('a message comes back as it was', () => {
  fc.assert(
    fc.property(messages, (message) => {
      assert.deepEqual(decodeMessage(encodeMessage(message)), message)
    }),
  )
})

test('the bytes are those of kad-dht', () => {
  const bytes = encodeMessage({ type: 'getValue', key: utf8('ab'), record: record('ab', 'c') })
  // 1: varint 1 · 2: "ab" · 3: { 1: "ab", 2: "c" }
  assert.equal(toHex(bytes), '08011202616' + '21a070a026162120163')
})

test('a type left out is the first, as protobuf has it', () => {
  assert.equal(decodeMessage(new Uint8Array()).type, 'putValue')
})

test('when a record was received is written as RFC 3339 and not believed', () => {
  const given: Message = { type: 'getValue', record: { ...record('a', 'b'), receivedMs: 0 } }
  const bytes = encodeMessage(given)
  assert.ok(Buffer.from(bytes).includes('1970-01-01T00:00:00.000Z'))
  assert.deepEqual(decodeMessage(bytes).record, record('a', 'b'))
})

test('the largest message of ours stays below the limit', () => {
  const [peer] = peers
  assert.ok(peer !== undefined)
  const long = `/dns6/${'x'.repeat(63)}.${'y'.repeat(60)}/udp/9001/quic-v1`
  const full = Array.from({ length: 20 }, () => ({ peer, addresses: Array(8).fill(long) }))
  const value = new Uint8Array(8_192 + 512)
  const bytes = encodeMessage({
    type: 'getValue',
    key: new Uint8Array(256),
    record: { key: new Uint8Array(256), value },
    closer: full,
    providers: full,
  })
  assert.ok(bytes.length < MESSAGE_BYTES_MAX, `${bytes.length}`)
})

test('fields nobody knows are passed over', () => {
  const writer = new BinaryWriter()
  writer.raw(encodeMessage({ type: 'ping' }))
  writer.tag(10, WireType.Varint).uint32(7).tag(99, WireType.LengthDelimited).bytes(utf8('new'))
  writer.tag(12, WireType.Bit32).fixed32(1).tag(1, WireType.LengthDelimited).bytes(utf8('x'))
  assert.deepEqual(decodeMessage(writer.finish()), { type: 'ping', closer: [], providers: [] })
})

test('peers and addresses beyond the limit are passed over, as are those nobody can read', () => {
  const writer = new BinaryWriter().tag(1, WireType.Varint).uint32(4)
  const [peer] = peers
  assert.ok(peer !== undefined)
  const address = Uint8Array.of(4, 192, 0, 2, 1, 6, 0x23, 0x28)
  writer.tag(8, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited)
  writer.bytes(utf8('no multihash')).join()
  for (let i = 0; i < 30; i += 1) {
    writer.tag(8, WireType.LengthDelimited).fork()
    writer.tag(1, WireType.LengthDelimited).bytes(peerIdToBytes(peer))
    writer.tag(2, WireType.LengthDelimited).bytes(utf8('no multiaddr'))
    writer.tag(2, WireType.LengthDelimited).bytes(new Uint8Array(300))
    for (let j = 0; j < 30; j += 1) writer.tag(2, WireType.LengthDelimited).bytes(address)
    writer.join()
  }
  const { closer = [] } = decodeMessage(writer.finish())
  assert.equal(closer.length, PEERS_MAX)
  assert.deepEqual(closer[0], { peer, addresses: Array(8).fill('/ip4/192.0.2.1/tcp/9000') })
})

test('a list of what nobody can read costs no more than a list at its limit', () => {
  const [peer] = peers
  assert.ok(peer !== undefined)
  // A key of small order is nobody's.
  const nobody = new Uint8Array(38)
  nobody.set([0x00, 0x24, 0x08, 0x01, 0x12, 0x20, 0x01])
  const named = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(nobody).finish()
  const flood = new BinaryWriter().tag(1, WireType.Varint).uint32(4)
  for (let i = 0; i < 40; i += 1) flood.tag(8, WireType.LengthDelimited).bytes(named)
  const last = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .bytes(peerIdToBytes(peer))
    .finish()
  flood.tag(8, WireType.LengthDelimited).bytes(last)
  assert.deepEqual(decodeMessage(flood.finish()).closer, [])

  const one = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(peerIdToBytes(peer))
  for (let i = 0; i < 16; i += 1) one.tag(2, WireType.LengthDelimited).bytes(utf8('no'))
  one.tag(2, WireType.LengthDelimited).bytes(Uint8Array.of(4, 192, 0, 2, 1, 6, 0x23, 0x28))
  const message = new BinaryWriter().tag(8, WireType.LengthDelimited).bytes(one.finish()).finish()
  assert.deepEqual(decodeMessage(message).closer, [{ peer, addresses: [] }])
})

test('of a list no more is taken apart than is looked at', (t) => {
  const taken = t.mock.method(BinaryReader.prototype, 'bytes')
  for (const field of [8, 9]) {
    const flood = new BinaryWriter().tag(1, WireType.Varint).uint32(4)
    for (let i = 0; i < 30_000; i += 1) flood.tag(field, WireType.LengthDelimited).bytes(utf8(''))
    assert.deepEqual(decodeMessage(flood.finish()).closer, [])
    const peer = new BinaryWriter()
    for (let i = 0; i < 20_000; i += 1) peer.tag(2, WireType.LengthDelimited).bytes(utf8(''))
    const one = new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(peer.finish())
    decodeMessage(one.finish())
  }
  assert.ok(taken.mock.callCount() <= 4 * 2 * PEERS_MAX, String(taken.mock.callCount()))
})

test('decodeQuestion() reads no peers but those that announce themselves as providers', () => {
  const [peer] = peers
  assert.ok(peer !== undefined)
  const infos = [{ peer, addresses: [] }]
  for (const type of MESSAGE_TYPES) {
    const message: Message = { type, key: utf8('a'), closer: infos, providers: infos }
    const providers = type === 'addProvider' ? infos : []
    assert.deepEqual(decodeQuestion(encodeMessage(message)), { ...message, closer: [], providers })
  }
})

test('what is no message is refused', () => {
  const bytes = (field: number, size: number) =>
    new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(new Uint8Array(size)).finish()
  const wrong: [Uint8Array, string][] = [
    [new Uint8Array(MESSAGE_BYTES_MAX + 1), 'WIRE_TOO_LONG'],
    [bytes(2, 257), 'WIRE_TOO_LONG'],
    [Uint8Array.of(0x08, 6), 'WIRE_MALFORMED'],
    [Uint8Array.of(0x12, 200, 1), 'WIRE_MALFORMED'],
    [Uint8Array.of(0x08, 0x80), 'WIRE_MALFORMED'],
    [Uint8Array.of(0x0b, 0x0c), 'WIRE_MALFORMED'],
    [Uint8Array.of(0x00), 'WIRE_MALFORMED'],
    [
      new BinaryWriter().tag(3, WireType.LengthDelimited).bytes(bytes(2, 9_000)).finish(),
      'WIRE_TOO_LONG',
    ],
    [
      new BinaryWriter().tag(8, WireType.LengthDelimited).bytes(bytes(1, 65)).finish(),
      'WIRE_TOO_LONG',
    ],
  ]
  for (const [message, code] of wrong) assert.throws(() => decodeMessage(message), coded(code))
})

test('an address loses the peer id at its end, and no other', () => {
  const relay = '/ip4/192.0.2.1/tcp/1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
  const address = (text: string) => {
    const message: Message = {
      type: 'findNode',
      closer: [{ peer: peers[0] ?? assert.fail(), addresses: [text] }],
    }
    return decodeMessage(encodeMessage(message)).closer?.[0]?.addresses[0]
  }
  assert.equal(address(relay), '/ip4/192.0.2.1/tcp/1')
  assert.equal(address(`${relay}/p2p-circuit`), `${relay}/p2p-circuit`)
  assert.equal(addressFromBytes(utf8('?')), undefined)
})

function record(name: string, value: string) {
  return { key: utf8(name), value: utf8(value) }
}
