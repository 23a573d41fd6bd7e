import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as dns from 'dns-packet'
import * as fc from 'fast-check'
import { seededRandom } from '../base/index.ts'
import { type PeerId, signerFromSeed } from '../identity/index.ts'
import {
  ADDRESSES_MAX,
  decodeMessage,
  encodeAnswers,
  encodeQuery,
  MESSAGE_BYTES_MAX,
  newPeerName,
  readLinkAddress,
  serviceName,
} from './mdns-records.ts'

const SERVICE = serviceName('main')
const NAME = newPeerName(seededRandom('name'))
const PEER: PeerId = signerFromSeed(new Uint8Array(32).fill(1)).peer
const ADDRESS = `/ip6/fd77::a/tcp/9000/p2p/${PEER}`

test('serviceName() keeps networks apart', () => {
  assert.equal(serviceName('main'), '_p2p._udp.local')
  assert.equal(serviceName('test'), '_p2p-test._udp.local')
})

test('newPeerName() is a label of at least 32 letters and digits', () => {
  assert.match(NAME, /^[a-z0-9]{32,63}$/)
})

test('a query is read by those of the same network only', () => {
  assert.deepEqual(decodeMessage(encodeQuery(SERVICE), SERVICE), { kind: 'query' })
  assert.equal(decodeMessage(encodeQuery(serviceName('test')), SERVICE), undefined)
})

test('decodeMessage() reads what encodeAnswers() wrote, for every address that we dial', () => {
  const port = fc.integer({ min: 1, max: 65_535 })
  const host = fc.oneof(
    fc.constantFrom('/ip6/fd77::a', '/ip6/fe80::1', '/ip6/::1'),
    fc.ipV4().map((ip) => `/ip4/${ip}`),
  )
  const transport = fc.constantFrom(['tcp', ''], ['udp', '/quic-v1'])
  const address = fc
    .tuple(host, transport, port)
    .map(([ip, [name, tail], number]) => `${ip}/${name}/${number}${tail}/p2p/${PEER}`)
  const some = fc.uniqueArray(address, { minLength: 1, maxLength: ADDRESSES_MAX })
  fc.assert(
    fc.property(some, (addresses) => {
      const messages = encodeAnswers(SERVICE, NAME, addresses)
      const read = messages.flatMap((bytes) => {
        assert.ok(bytes.length <= 1_232, 'one unfragmented packet')
        const message = decodeMessage(bytes, SERVICE)
        return message?.kind === 'answer' ? message.announced : []
      })
      assert.deepEqual(
        read.map((item) => item.address),
        addresses,
      )
      assert.ok(read.every((item) => item.peer === PEER && item.ttlSeconds === 120))
    }),
  )
})

test('decodeMessage() takes any bytes without throwing', () => {
  const start = [...encodeQuery(SERVICE)]
  const mutated = fc
    .tuple(fc.nat(start.length - 1), fc.integer({ min: 0, max: 255 }), fc.uint8Array())
    .map(([at, byte, tail]) => Uint8Array.from([...start.with(at, byte), ...tail]))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated), (bytes) => {
      decodeMessage(bytes, SERVICE)
    }),
  )
})

test('encodeAnswers() tells no more than a few addresses, and nothing when there are none', () => {
  const many = Array.from({ length: 20 }, (_, i) => `/ip4/10.0.0.1/tcp/${i + 1}/p2p/${PEER}`)
  const packets = encodeAnswers(SERVICE, NAME, many).map((bytes) => dns.decode(Buffer.from(bytes)))
  const texts = packets.flatMap(({ additionals = [] }) => additionals)
  assert.equal(texts.length, ADDRESSES_MAX)
  assert.ok(packets.every(({ answers }) => answers?.[0]?.type === 'PTR'))
  assert.deepEqual(encodeAnswers(SERVICE, NAME, []), [])
})

test('an address too long for one string of a TXT record is left out', () => {
  const long = `/dns6/${'a'.repeat(250)}/tcp/1/p2p/${PEER}`
  assert.deepEqual(encodeAnswers(SERVICE, NAME, [long]), [])
})

test('records are read from answers and from additional records, several strings in one', () => {
  const other = `/ip4/10.0.0.1/udp/9001/quic-v1/p2p/${PEER}`
  for (const section of ['answers', 'additionals'] as const) {
    const bytes = dns.encode({
      type: 'response',
      [section]: [text([`dnsaddr=${ADDRESS}`, 'dnsaddr=/nonsense', 'x=y', `dnsaddr=${other}`])],
    })
    assert.deepEqual(addressesIn(bytes), [ADDRESS, other])
  }
})

test('decodeMessage() cuts a long time to live and passes over records that are over', () => {
  const of = (ttl: number) => {
    const record = { ...text([`dnsaddr=${ADDRESS}`]), ttl }
    const message = decodeMessage(dns.encode({ type: 'response', answers: [record] }), SERVICE)
    return message?.kind === 'answer' ? message.announced.map((item) => item.ttlSeconds) : []
  }
  assert.deepEqual(of(100_000), [120])
  assert.deepEqual(of(30), [30])
  assert.deepEqual(of(0), [])
})

test('decodeMessage() refuses records of another service', () => {
  const record = { ...text([`dnsaddr=${ADDRESS}`]), name: `${NAME}._p2p-x._udp.local` }
  const question = { type: 'PTR' as const, name: SERVICE }
  const bytes = dns.encode({ type: 'response', questions: [question], answers: [record] })
  assert.deepEqual(addressesIn(bytes), [])
})

test('decodeMessage() refuses what is too long, and counts that would need memory', () => {
  const answer = encodeAnswers(SERVICE, NAME, [ADDRESS])[0] ?? assert.fail()
  const padded = new Uint8Array(MESSAGE_BYTES_MAX + 1)
  padded.set(answer)
  assert.equal(decodeMessage(padded, SERVICE), undefined)
  assert.deepEqual(addressesIn(padded.subarray(0, MESSAGE_BYTES_MAX)), [ADDRESS])

  const questions = Array.from({ length: 129 }, () => ({ type: 'A' as const, name: 'a' }))
  const record = text([`dnsaddr=${ADDRESS}`])
  const crowded = dns.encode({ type: 'response', questions, answers: [record] })
  assert.equal(decodeMessage(crowded, SERVICE), undefined)

  const greedy = Uint8Array.from(answer)
  greedy.set([0xff, 0xff], 8)
  assert.equal(decodeMessage(greedy, SERVICE), undefined)
})

test('decodeMessage() reads no more than a few addresses', () => {
  const of = (i: number) => text([`dnsaddr=/ip4/10.0.0.1/tcp/${i + 1}/p2p/${PEER}`])
  const answers = Array.from({ length: 40 }, (_, i) => of(i))
  assert.equal(addressesIn(dns.encode({ type: 'response', answers })).length, ADDRESSES_MAX)
})

test('decodeMessage() looks at no more than a few texts to find addresses', () => {
  const nonsense = Array.from({ length: 16 }, () =>
    text([`dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/nobody`]),
  )
  const after = (count: number) =>
    dns.encode({
      type: 'response',
      answers: [...nonsense.slice(0, count), text([`dnsaddr=${ADDRESS}`])],
    })
  assert.deepEqual(addressesIn(after(15)), [ADDRESS])
  assert.deepEqual(addressesIn(after(16)), [])
})

test('readLinkAddress() gives the canonical form', () => {
  const read = readLinkAddress(`/ip6/FD77:0::A/tcp/9000/p2p/${PEER}`)
  assert.deepEqual(read, { peer: PEER, address: ADDRESS, ip: 'fd77::a', scope: 'private' })
})

for (const text of [
  `/dns4/evil.example/tcp/1/p2p/${PEER}`,
  `/dnsaddr/evil.example/p2p/${PEER}`,
  `/ip6zone/eth0/ip6/fe80::1/tcp/1/p2p/${PEER}`,
  `/ip4/10.0.0.1/tcp/1/p2p/${PEER}/p2p-circuit/p2p/${PEER}`,
  `/ip4/10.0.0.1/tcp/1`,
  `/ip4/10.0.0.1/tcp/0/p2p/${PEER}`,
  `/ip4/10.0.0.1/tcp/65536/p2p/${PEER}`,
  `/ip4/10.0.0.1/udp/1/p2p/${PEER}`,
  `/ip4/10.0.0.1/tcp/1/quic-v1/p2p/${PEER}`,
  `/ip4/010.0.0.1/tcp/1/p2p/${PEER}`,
  `/ip4/fd77::a/tcp/1/p2p/${PEER}`,
  `/ip6/10.0.0.1/tcp/1/p2p/${PEER}`,
  `/ip4/10.0.0.1/tcp/1/p2p/${PEER.slice(1)}`,
  `/ip4/10.0.0.1/tcp/1/p2p/${PEER} `,
]) {
  test(`readLinkAddress() refuses ${text}`, () => {
    assert.equal(readLinkAddress(text), undefined)
  })
}

function text(data: string[]) {
  return { type: 'TXT' as const, name: `${NAME}.${SERVICE}`, ttl: 120, data }
}

function addressesIn(bytes: Uint8Array): string[] {
  const message = decodeMessage(bytes, SERVICE)
  return message?.kind === 'answer' ? message.announced.map(({ address }) => address) : []
}
