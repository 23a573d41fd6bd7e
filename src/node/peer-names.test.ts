import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { parseRecordName } from '../dht/index.ts'
import type { PeerId } from '../identity/index.ts'
import { claimName, findName, type PeerNamesDeps } from './peer-names.ts'

const [ALICE, BOB, LIAR] = [1, 2, 3].map((seed) => signerOf(seed).peer) as [PeerId, PeerId, PeerId]

/** A DHT that is a map, where a record is written by whom its key names. */
function setup() {
  const records = new Map<string, Uint8Array>()
  const providers = new Map<string, PeerId[]>()
  const report = { answered: [BOB], failed: [], complete: true }
  const as = (self: PeerId): PeerNamesDeps => ({
    self,
    dht: {
      async put(key, value) {
        assert.equal(parseRecordName(key).publisher, self)
        records.set(key, value)
        return { key, version: 1, stored: [BOB], failed: [], wanted: 1 }
      },
      async get(key) {
        parseRecordName(key)
        return { ...report, key, value: records.get(key) ?? null, publisher: null, version: null }
      },
      async provide(name) {
        providers.set(name, [...(providers.get(name) ?? []), self])
        return { name, stored: [BOB], failed: [], wanted: 1 }
      },
      async findProviders(name) {
        const all = (providers.get(name) ?? []).map((peer) => ({ peer, addresses: [] }))
        return { ...report, name, providers: all }
      },
    },
  })
  return { as, records, providers }
}

test('everybody who claims a name is found by it, and by no other', async () => {
  const { as } = setup()
  const claimed = await claimName('alice', as(ALICE))
  assert.deepEqual([claimed.peer, claimed.stored], [ALICE, [BOB]])
  await claimName('alice', as(BOB))
  const { claims, more } = await findName('alice', as(LIAR))
  assert.deepEqual(claims, [{ peer: ALICE }, { peer: BOB }])
  assert.equal(more, false)
  assert.deepEqual((await findName('alicia', as(LIAR))).claims, [])
})

test('who only says that it has a claim has none', async () => {
  const { as, records, providers } = setup()
  await claimName('alice', as(ALICE))
  providers.get('word:alice')?.push(LIAR, BOB)
  records.set(`/word/alice/${BOB}`, Uint8Array.of(1, 2))
  assert.deepEqual((await findName('alice', as(BOB))).claims, [{ peer: ALICE }])
})

test('of very many claims sixteen are looked at, and that there are more is said', async () => {
  const { as, providers } = setup()
  const all = Array.from({ length: 40 }, (_, i) => signerOf(100 + i).peer)
  providers.set('word:alice', all)
  for (const peer of all) await claimName('alice', as(peer))
  const { claims, more } = await findName('alice', as(ALICE))
  assert.deepEqual([claims.length, more], [16, true])
})

test('what is no name is refused before anybody is asked', async () => {
  const { as, providers } = setup()
  for (const name of [
    'al',
    'Alice',
    'al ice',
    'al-ice',
    'alíce',
    '_al',
    'al/ice',
    '9al',
    'a'.repeat(33),
  ]) {
    await assert.rejects(claimName(name, as(ALICE)), coded('DHT_KEY_INVALID'))
    await assert.rejects(findName(name, as(ALICE)), coded('DHT_KEY_INVALID'))
  }
  assert.equal(providers.size, 0)
})
