import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  dataName,
  NETWORK,
  recordBytes,
  signerOf,
  WORK_BITS,
} from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { channelPair, FakeNet } from '../../test/support/fake-net.ts'
import { AccessError, type Action } from '../access/index.ts'
import { Registry, seededRandom, silentLog, utf8 } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import { type DhtConfig, dhtConfig } from './config.ts'
import { Handler } from './handler.ts'
import { contactOf, dhtKey } from './key.ts'
import { dhtMetrics } from './metrics.ts'
import { providerKey } from './provider-key.ts'
import { Records } from './records.ts'
import { SqliteStore } from './sqlite-store.ts'
import { decodeMessage as decodeAnswer, encodeMessage, type Message } from './wire.ts'

const alice = signerOf(1)
const bob = signerOf(2)
const name = dataName(alice, 'a')

/** A handler that knows `peers`, and what it was asked to admit. */
interface Shape {
  /** Where peers take datagrams. */
  readonly datagramAddressOf?: (peer: PeerId) => string | undefined
  readonly peers?: readonly PeerId[]
  readonly config?: Partial<DhtConfig>
  readonly refuse?: Action
  /** What those who ask say they speak. */
  readonly spoken?: readonly string[]
}

async function setup(shape: Shape = {}) {
  const { peers = [bob.peer], config, refuse, datagramAddressOf = () => undefined } = shape
  const { spoken } = shape
  const clock = new FakeClock(1_000)
  const host = new FakeNet().add(signerOf(9).peer)
  for (const peer of peers) await host.learn(peer, ['/ip4/192.0.2.1/tcp/9000'], host.self)
  const parsed = dhtConfig.parse({ workBits: WORK_BITS, ...config })
  const records = new Records(
    {
      storage: new SqliteStore(':memory:'),
      self: contactOf(host.self),
      clock,
      random: seededRandom('handler'),
      network: NETWORK,
      responsible: () => true,
    },
    parsed,
  )
  const admitted: Action[] = []
  const handler = new Handler(
    {
      book: {
        addressesOf: async (peer) =>
          peer === host.self ? host.addresses() : host.addressesOf(peer),
        learn: (peer, told, source) => host.learn(peer, told, source),
        datagramAddressOf,
      },
      siteOf: () => undefined,
      ...(spoken !== undefined && { host: { protocolsOf: async () => spoken } }),
      records,
      clock,
      policy: {
        admit(peer, action) {
          admitted.push(action)
          if (action !== refuse) return
          throw AccessError.QUOTA({ peer, action, of: 'peer', retryAfterMs: 1 })
        },
      },
      members: { closest: (_key, count) => peers.map(contactOf).slice(0, count) },
      log: silentLog,
      metrics: dhtMetrics(new Registry()),
    },
    parsed,
  )
  const ask = (message: Message, from = alice.peer) => handler.answer(from, encodeMessage(message))
  return { handler, records, host, ask, admitted, clock }
}

const put = (value: Uint8Array, key = name.bytes): Message => ({
  type: 'putValue',
  key,
  record: { key, value },
})

test('FIND_NODE names the closest with their addresses, and not the one who asks', async () => {
  const { ask, admitted } = await setup({ peers: [bob.peer, alice.peer] })
  const answer = await ask({ type: 'findNode', key: utf8('x') })
  assert.deepEqual(answer?.closer, [{ peer: bob.peer, addresses: ['/ip4/192.0.2.1/tcp/9000'] }])
  assert.deepEqual(admitted, ['dht.query'])
})

test('FIND_NODE for a peer we know names it even if it is in no table', async () => {
  const { ask, host } = await setup({ peers: [] })
  const client = signerOf(5).peer
  const key = peerIdToBytes(client)
  assert.deepEqual((await ask({ type: 'findNode', key }))?.closer, [])
  await host.learn(client, ['/ip4/192.0.2.5/tcp/1'], host.self)
  assert.deepEqual((await ask({ type: 'findNode', key }))?.closer?.[0]?.peer, client)
  const self = await ask({ type: 'findNode', key: peerIdToBytes(host.self) })
  assert.deepEqual(self?.closer?.[0]?.peer, host.self)
})

test('peers without an address are not named', async () => {
  const { ask, host } = await setup()
  host.book.clear()
  assert.deepEqual((await ask({ type: 'findNode', key: utf8('x') }))?.closer, [])
})

test('PUT_VALUE stores a record of ours and echoes it; GET_VALUE gives it to anybody', async () => {
  const { ask, admitted } = await setup()
  const value = await recordBytes(name, alice)
  const answer = await ask(put(value), bob.peer)
  assert.deepEqual(answer?.record, { key: name.bytes, value })
  assert.deepEqual(admitted, ['dht.query', 'dht.put'])
  const got = await ask({ type: 'getValue', key: name.bytes }, signerOf(7).peer)
  assert.deepEqual(got?.record?.value, value)
  assert.equal(got.closer?.length, 1)
})

test('an older record is answered with the newer one', async () => {
  const { ask } = await setup()
  const newer = await recordBytes(name, alice, { version: 2 })
  await ask(put(newer))
  const answer = await ask(put(await recordBytes(name, alice, { version: 1 })))
  assert.deepEqual(answer?.record?.value, newer)
})

test('what is no record of ours under its own key is refused without a record', async () => {
  const { ask, records } = await setup()
  const value = await recordBytes(name, alice)
  const other = dataName(alice, 'b')
  const refused: Message[] = [
    put(utf8('plain value')),
    put(await recordBytes(name, bob)),
    put(value, other.bytes),
    put(value, utf8('/pk/x')),
    { type: 'putValue', key: name.bytes },
    { type: 'putValue', key: name.bytes, record: { key: other.bytes, value } },
  ]
  for (const message of refused) {
    const answer = await ask(message)
    assert.equal(answer?.type, 'putValue')
    assert.equal(answer.record, undefined)
  }
  assert.equal(records.count, 0)
})

test('ADD_PROVIDER counts for the sender only, under a SHA-256 only, and has no answer', async () => {
  const { ask, records, host, admitted } = await setup()
  const key = providerKey('tool')
  const info = (peer: typeof alice.peer) => ({ peer, addresses: ['/ip4/192.0.2.7/tcp/1'] })
  const add = (of: typeof alice.peer, under = key): Message => ({
    type: 'addProvider',
    key: under,
    providers: [info(of)],
  })
  assert.equal(await ask(add(bob.peer)), undefined)
  assert.equal(await ask(add(alice.peer, utf8('not a multihash'))), undefined)
  assert.equal(await ask({ type: 'addProvider', key }), undefined)
  assert.deepEqual(records.providers(dhtKey(key), 9), [])

  assert.equal(await ask(add(alice.peer)), undefined)
  assert.deepEqual(records.providers(dhtKey(key), 9), [alice.peer])
  assert.deepEqual(await host.addressesOf(alice.peer), ['/ip4/192.0.2.7/tcp/1'])
  assert.deepEqual(admitted.slice(0, 2), ['dht.query', 'dht.put'])
})

test('GET_PROVIDERS names at most 20, the one who asks first', async () => {
  const { ask, records } = await setup()
  const key = providerKey('tool')
  const all = Array.from({ length: 30 }, (_, i) => signerOf(100 + i).peer)
  for (const peer of all) records.addProvider(dhtKey(key), { peer, site: null })
  for (const asker of all.slice(0, 5)) {
    const answer = await ask({ type: 'getProviders', key }, asker)
    assert.equal(answer?.providers?.length, 20)
    assert.equal(answer.providers[0]?.peer, asker)
  }
})

test('PING is answered; a question without a key, or that is none, is not', async () => {
  const { ask, handler } = await setup()
  assert.deepEqual(await ask({ type: 'ping' }), { type: 'ping' })
  for (const type of ['findNode', 'getValue', 'getProviders', 'putValue', 'addProvider'] as const) {
    await assert.rejects(ask({ type }), coded('DHT_REFUSED'))
  }
  await assert.rejects(handler.answer(bob.peer, Uint8Array.of(0xff)), coded('WIRE_MALFORMED'))
})

test('nothing is read, and nothing stored, that the policy does not admit', async () => {
  const { handler } = await setup({ refuse: 'dht.query' })
  await assert.rejects(handler.answer(bob.peer, Uint8Array.of(0xff)), coded('ACCESS_QUOTA'))
  const { ask, records } = await setup({ refuse: 'dht.put' })
  const value = await recordBytes(name, alice)
  await assert.rejects(ask(put(value)), coded('ACCESS_QUOTA'))
  const provider = { peer: alice.peer, addresses: [] }
  const add: Message = { type: 'addProvider', key: providerKey('x'), providers: [provider] }
  await assert.rejects(ask(add), coded('ACCESS_QUOTA'))
  assert.equal(records.count, 0)
  assert.deepEqual(records.providers(dhtKey(providerKey('x')), 9), [])
})

test('serve() answers in order until goodbye, and drops the stream at nonsense', async () => {
  const { handler, host, clock } = await setup()
  const [near, far] = channelPair(alice.peer, host.self)
  const served = handler.serve(far)
  for (const text of ['a', 'b'])
    await near.write(encodeMessage({ type: 'findNode', key: utf8(text) }))
  await near.write(encodeMessage({ type: 'ping' }))
  const frames = [await near.read(), await near.read(), await near.read()]
  assert.equal(Buffer.from(frames[2] ?? []).toString('hex'), '0805')
  await near.write(Uint8Array.of(0xff))
  await served
  await assert.rejects(near.read())
  assert.equal(clock.waiting, 0)
})

test('serve() answers a refused write to a node of ours; others lose their stream', async () => {
  const plain = encodeMessage(put(utf8('plain')))
  for (const [spoken, isAnswered] of [
    [['/p2p-foundation/rpc/1.0.0'], true],
    [['/ipfs/kad/1.0.0'], false],
  ] as const) {
    const { handler, host } = await setup({ spoken })
    const [near, far] = channelPair(alice.peer, host.self)
    const served = handler.serve(far)
    await near.write(plain)
    if (isAnswered) {
      assert.equal(decodeAnswer((await near.read()) ?? new Uint8Array()).record, undefined)
      await near.close()
    } else {
      await assert.rejects(near.read())
    }
    await served
  }
})

test('serve() ends when the peer idles or the node stops', async () => {
  const idle = await setup({ config: { streamIdleMs: 1_000 } })
  const [near, far] = channelPair(alice.peer, idle.host.self)
  const served = idle.handler.serve(far)
  await idle.clock.advance(1_000)
  await served
  assert.equal(await near.read(), undefined)

  const [, other] = channelPair(alice.peer, idle.host.self)
  const serving = idle.handler.serve(other)
  idle.handler.stop()
  await serving
  assert.equal(idle.clock.waiting, 0)
})

test('messages of one datagram are each admitted and acted on; the last one is answered', async () => {
  const { handler, admitted, records } = await setup()
  const key = providerKey('tool')
  const own = { peer: alice.peer, addresses: ['/ip4/192.0.2.7/udp/1'] }
  const answer = await handler.answerMessages(alice.peer, [
    { type: 'addProvider', key, providers: [own] },
    { type: 'getProviders', key },
  ])
  assert.equal(answer?.providers?.[0]?.peer, alice.peer)
  assert.deepEqual(admitted, ['dht.query', 'dht.put', 'dht.query'])
  assert.deepEqual(records.providers(dhtKey(key), 9), [alice.peer])
  assert.equal(await handler.answerMessages(alice.peer, []), undefined)
  await assert.rejects(handler.answerMessages(bob.peer, [{ type: 'getValue' }]))
  const refusing = await setup({ refuse: 'dht.query' })
  await assert.rejects(
    refusing.handler.answerMessages(alice.peer, [{ type: 'ping' }]),
    coded('ACCESS_QUOTA'),
  )
  const unread: Iterable<Message> = {
    [Symbol.iterator]: () => assert.fail('what is not admitted is not read'),
  }
  await assert.rejects(refusing.handler.answerMessages(alice.peer, unread), coded('ACCESS_QUOTA'))
})

test('who announces itself by datagram is told whether it was taken, and nothing else', async () => {
  const { handler, records, admitted } = await setup()
  const [key, other] = [providerKey('tool'), providerKey('other')]
  records.addProvider(dhtKey(key), { peer: bob.peer, site: null })
  const own = { peer: alice.peer, addresses: ['/ip4/192.0.2.7/udp/1'] }
  const announce: Message = { type: 'addProvider', key, providers: [own] }
  const question: Message = { type: 'getProviders', key }
  const receipt = await handler.answerMessages(alice.peer, [announce, question])
  assert.deepEqual(receipt, { ...question, providers: [{ peer: alice.peer, addresses: [] }] })
  const refused = await handler.answerMessages(alice.peer, [
    { ...announce, providers: [] },
    question,
  ])
  assert.deepEqual(refused?.providers?.length, 1, 'it was taken before')
  for (const messages of [[question], [announce, { ...question, key: other }]] as const) {
    assert.equal((await handler.answerMessages(alice.peer, messages))?.closer?.length, 1)
  }
  assert.equal(admitted.filter((action) => action === 'dht.query').length, 7)
})

test('a datagram names peers by where they take datagrams, and all of them if one takes none', async () => {
  const told = new Map([[bob.peer, '/ip4/192.0.2.1/udp/9000']])
  const carol = signerOf(3).peer
  const question: Message = { type: 'findNode', key: utf8('x') }
  for (const peers of [[bob.peer], [bob.peer, carol]]) {
    const shape = { peers, datagramAddressOf: (peer: PeerId) => told.get(peer) }
    const { handler, ask } = await setup(shape)
    const brief = await handler.answerMessages(alice.peer, [question])
    const whole = await ask(question)
    assert.deepEqual(whole?.closer?.[0]?.addresses, ['/ip4/192.0.2.1/tcp/9000'])
    assert.deepEqual(
      brief?.closer,
      peers.length === 1
        ? [{ peer: bob.peer, addresses: ['/ip4/192.0.2.1/udp/9000'] }]
        : whole.closer,
    )
  }
})

test('addresses of a peer are read once for many answers, and anew after some seconds', async () => {
  const { ask, host, clock } = await setup()
  let reads = 0
  const read = host.addressesOf.bind(host)
  host.addressesOf = (peer) => {
    reads += 1
    return read(peer)
  }
  const question: Message = { type: 'findNode', key: utf8('x') }
  for (let i = 0; i < 3; i += 1) await ask(question)
  assert.equal(reads, 1)
  await host.learn(bob.peer, ['/ip4/192.0.2.2/tcp/1'], host.self)
  await clock.advance(5_000)
  assert.equal((await ask(question))?.closer?.[0]?.addresses.length, 2)
})
