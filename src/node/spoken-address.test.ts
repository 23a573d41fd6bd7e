import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { testPeer } from '../../test/support/mcp-directory.ts'
import { hasCode } from '../base/index.ts'
import type { Dht } from '../dht/index.ts'
import { endpointToWords } from '../ip/index.ts'
import { NetError } from '../net/index.ts'
import { bestWords, connectAny, dialTargets } from './spoken-address.ts'

const PEER = testPeer(1)
const GLOBAL_4 = '/ip4/198.41.0.4/tcp/9000'
const GLOBAL_6 = '/ip6/2620:0:2d0:200::7/tcp/9000'
const PRIVATE_4 = '/ip4/192.168.1.2/tcp/9000'
const LOOPBACK_4 = '/ip4/127.0.0.1/tcp/9000'
const LOOPBACK_6 = '/ip6/::1/tcp/9000'

const choices: readonly (readonly [addresses: readonly string[], ip: string, port: number])[] = [
  [[LOOPBACK_4, PRIVATE_4, GLOBAL_6, GLOBAL_4], '198.41.0.4', 9000],
  [[LOOPBACK_4, PRIVATE_4, GLOBAL_6], '2620:0:2d0:200::7', 9000],
  [[LOOPBACK_6, LOOPBACK_4, PRIVATE_4], '192.168.1.2', 9000],
  [[LOOPBACK_6, LOOPBACK_4], '127.0.0.1', 9000],
  [[LOOPBACK_6], '::1', 9000],
  [['/ip4/198.41.0.4/udp/9001/quic-v1', `${LOOPBACK_4}/p2p/${PEER}`], '198.41.0.4', 9001],
  [['/ip4/198.41.0.4/udp/9001/quic-v1', GLOBAL_4], '198.41.0.4', 9000],
  [[`${GLOBAL_4}/p2p/${PEER}/p2p-circuit/p2p/${PEER}`, PRIVATE_4], '192.168.1.2', 9000],
]

for (const [addresses, ip, port] of choices) {
  test(`bestWords() says ${ip} of ${addresses.join(' ')}`, async () => {
    assert.equal(await bestWords(addresses), await endpointToWords({ ip, port }))
  })
}

test('bestWords() has no words for what nobody could dial by them', async () => {
  for (const addresses of [
    [],
    ['/ip4/198.41.0.4/udp/9001', `${GLOBAL_4}/ws`],
    ['/ip6/fe80::1/tcp/9000', '/ip4/0.0.0.0/tcp/9000', '/ip4/224.0.0.1/tcp/1'],
    ['/dns4/example.org/tcp/9000', '/memory/1'],
  ]) {
    assert.equal(await bestWords(addresses), null, addresses.join(' '))
  }
})

/** What is dialled for `target`, and whether its peer was looked for. */
async function dialling(target: string, known: readonly string[] = [], withDht = true) {
  const sought: string[] = []
  const dht = {
    async findPeer(peer: string) {
      sought.push(peer)
    },
  } as unknown as Dht
  const host = { addressesOf: async () => known }
  const dialled = await dialTargets(target, { host, dht: withDht ? dht : null }, {})
  return { dialled, sought }
}

test('dialTargets() takes a multiaddr as it is and refuses one that is none', async () => {
  assert.deepEqual(await dialling(GLOBAL_4), { dialled: [GLOBAL_4], sought: [] })
  await assert.rejects(dialling('/ip4/1.2.3/tcp/x'), coded('NET_ADDRESS_INVALID'))
})

test('dialTargets() takes words as the TCP and the QUIC address that they say', async () => {
  for (const address of [GLOBAL_4, GLOBAL_6]) {
    const words = await bestWords([address])
    assert.ok(words !== null)
    const quic = address.replace('/tcp/9000', '/udp/9000/quic-v1')
    for (const text of [` ${words.toUpperCase()} `, words.replaceAll(' ', '-')]) {
      assert.deepEqual((await dialling(text)).dialled, [address, quic])
    }
    const named = [`${address}/p2p/${PEER}`, `${quic}/p2p/${PEER}`]
    assert.deepEqual((await dialling(`${words}/p2p/${PEER}`)).dialled, named)
    await assert.rejects(dialling(`${words}/p2p/nobody`), coded('IDENTITY_PEER_ID_INVALID'))
  }
  await assert.rejects(dialling('one two'), coded('IP_WORDS_COUNT'))
  await assert.rejects(dialling('xxqq yyqq zzqq'), coded('IP_WORD_UNKNOWN'))
})

test('dialTargets() looks for a peer only when it has no address of it', async () => {
  assert.deepEqual(await dialling(PEER, [GLOBAL_4]), { dialled: [PEER], sought: [] })
  assert.deepEqual(await dialling(PEER), { dialled: [PEER], sought: [PEER] })
  assert.deepEqual(await dialling(PEER, [], false), { dialled: [PEER], sought: [] })
  await assert.rejects(dialling('nobody'), coded('IDENTITY_PEER_ID_INVALID'))
})

test('connectAny() says who answered first, or what became of every address', async () => {
  const host = {
    connect: async (target: string) => {
      if (target === GLOBAL_6) return PEER
      const tried = [{ address: target, reason: 'refused' }]
      throw NetError.CONNECT_FAILED({ target, tried })
    },
  }
  assert.equal(await connectAny('words', [GLOBAL_4, GLOBAL_6], host, {}), PEER)
  await assert.rejects(connectAny(' words', [GLOBAL_4, PRIVATE_4], host, {}), (error) => {
    assert.ok(hasCode(error, 'NET_CONNECT_FAILED'))
    const tried = [GLOBAL_4, PRIVATE_4].map((address) => ({ address, reason: 'refused' }))
    assert.deepEqual(error.facts, { target: 'words', tried })
    return true
  })
})
