import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keysOf } from '../../test/support/datagram-fixture.ts'
import { fitAnswer, fitQuestion, wholeAnswer, wholeQuestion } from './datagram-fit.ts'
import { ANSWER_ROOM_BYTES } from './datagram-packet.ts'
import { decodeMessage, decodeQuestion, type Message, type PeerInfo } from './wire.ts'

const key = new Uint8Array(70).fill(1)
const peers = Array.from({ length: 20 }, (_, i) => keysOf(i).signer.peer)
const infos = (addresses: (i: number) => string[]): PeerInfo[] =>
  peers.map((peer, i) => ({ peer, addresses: addresses(i) }))
const both = infos((i) => [
  `/ip4/192.0.2.${i}/udp/9000`,
  `/ip4/192.0.2.${i}/udp/9001/quic-v1`,
  `/ip4/192.0.2.${i}/tcp/9000`,
])

/** What comes out at the other end of an answer to `key`. */
function over(answer: Message) {
  const { bytes, partial } = fitAnswer(answer)
  assert.ok(bytes.length <= ANSWER_ROOM_BYTES)
  return { ...wholeAnswer(decodeMessage(bytes), key), partial }
}

test('20 closer peers fit over IPv4, by their datagram address alone', () => {
  const { closer, partial, key: told } = over({ type: 'findNode', key, closer: both })
  assert.equal(partial, false)
  assert.deepEqual(told, key)
  assert.deepEqual(
    closer,
    both.map(({ peer, addresses }) => ({ peer, addresses: addresses.slice(0, 1) })),
  )
})

test('over IPv6 the closest fit, and leaving out the rest is no loss to ask again for', () => {
  const given = infos((i) => [`/ip6/2001:db8::${i}/udp/9000`])
  const { closer = [], partial } = over({ type: 'findNode', key, closer: given })
  assert.equal(partial, false)
  assert.equal(closer.length, 17)
  assert.deepEqual(
    closer.map(({ peer }) => peer),
    peers.slice(0, 17),
  )
})

test('a closer peer without a datagram address is named by the first others', () => {
  const given = infos((i) => [`/ip4/192.0.2.${i}/tcp/1`, `/ip4/192.0.2.${i}/tcp/2`, '/dns/x/tcp/3'])
  const { closer = [] } = over({ type: 'findNode', key, closer: given.slice(0, 3) })
  assert.deepEqual(
    closer.map(({ addresses }) => addresses.length),
    [2, 2, 2],
  )
})

test('a peer whose address changes is named by the new one', () => {
  const [peer] = peers
  assert.ok(peer !== undefined)
  for (const address of ['/ip4/192.0.2.1/udp/1', '/ip4/192.0.2.1/udp/2']) {
    const { closer } = over({ type: 'findNode', key, closer: [{ peer, addresses: [address] }] })
    assert.deepEqual(closer, [{ peer, addresses: [address] }])
  }
})

test('a small record comes with closer peers, and its key is put back', () => {
  const record = { key, value: new Uint8Array(300).fill(2) }
  const answer = over({ type: 'getValue', key, record, closer: both })
  assert.equal(answer.partial, false)
  assert.deepEqual(answer.record, record)
  assert.ok((answer.closer ?? []).length >= 14)
})

test('a record that does not fit is left out, and the answer is partial', () => {
  const record = { key, value: new Uint8Array(1_200) }
  const answer = over({ type: 'getValue', key, record, closer: both })
  assert.equal(answer.partial, true)
  assert.equal(answer.record, undefined)
})

test('providers are named by what can be dialled, and leave room for closer peers', () => {
  const few = over({ type: 'getProviders', key, providers: both.slice(0, 3), closer: both })
  assert.equal(few.partial, false)
  assert.deepEqual(few.providers?.[0]?.addresses, [
    '/ip4/192.0.2.0/udp/9001/quic-v1',
    '/ip4/192.0.2.0/tcp/9000',
    '/ip4/192.0.2.0/udp/9000',
  ])
  assert.ok((few.closer ?? []).length >= 8)

  const many = over({ type: 'getProviders', key, providers: both, closer: both })
  assert.equal(many.partial, true)
  assert.ok((many.providers ?? []).length >= 12)
  assert.ok((many.closer ?? []).length >= 8)
  assert.deepEqual(many.providers?.[0]?.addresses, ['/ip4/192.0.2.0/udp/9001/quic-v1'])
})

test('a question comes out as it went in', () => {
  const record = { key, value: new Uint8Array(300).fill(2) }
  const question: Message = { type: 'putValue', key, record, closer: [], providers: [] }
  const bytes = fitQuestion(question)
  assert.ok(bytes.length < 300 + key.length + 20)
  assert.deepEqual(wholeQuestion(decodeQuestion(bytes)), question)
  const none = { type: 'putValue', record: { key: new Uint8Array(), value: key } } as const
  assert.deepEqual(wholeQuestion(none), none)
})
