import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentOf, DAY_MS, NETWORK, NOW_MS } from '../../test/support/agent-messages.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { toHex } from '../base/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { PRE_KEYS_KEPT_MAX, PreKeys, packPreKey, readPreKey } from './pre-keys.ts'

async function setup(name = 'alice') {
  const clock = new FakeClock(NOW_MS)
  const agent = await agentOf(name, clock)
  const ids = async () => (await agent.preKeys.current()).map(({ id }) => toHex(id))
  return { ...agent, clock, ids }
}

test('a pre-key is read as its owner wrote it, through a record and back', async () => {
  const { preKey, peer } = await setup()
  const value = decodeCbor(encodeCbor(packPreKey(preKey)), 'pre-key', 256)
  const read = readPreKey(value, { peer, network: NETWORK, nowMs: NOW_MS })
  assert.equal(toHex(read.publicKey), toHex(preKey.publicKey))
  assert.equal(read.expiresAtMs, NOW_MS + 2 * DAY_MS)
})

test('what its owner did not sign, here and now, is no pre-key', async () => {
  const { preKey, peer } = await setup()
  const other = await setup('other')
  const rules = { peer, network: NETWORK, nowMs: NOW_MS }
  const list = packPreKey(preKey) as readonly Cbor[]
  const bent = (at: number) => {
    return list.map((field, i) => {
      if (i !== at || !(field instanceof Uint8Array)) return field
      return Uint8Array.from(field, (byte, j) => (j === 3 ? byte ^ 1 : byte))
    })
  }
  const invalid = { code: 'AGENT_PRE_KEY_INVALID' }
  const wrong: readonly [Cbor, typeof rules][] = [
    [list, { ...rules, peer: other.peer }],
    [list, { ...rules, network: 'elsewhere' }],
    [list, { ...rules, nowMs: preKey.expiresAtMs }],
    [list, { ...rules, nowMs: NOW_MS - 60_001 }],
    [bent(0), rules],
    [bent(1), rules],
    [bent(3), rules],
    [[list[0] ?? 0, list[1] ?? 0, NOW_MS + DAY_MS, list[3] ?? 0], rules],
    [[...list, 1], rules],
    [list.slice(0, 3), rules],
    ['pre-key', rules],
  ]
  for (const [value, at] of wrong) assert.throws(() => readPreKey(value, at), invalid)
})

test('a new one comes every day; two may be sealed against, all are kept for their mail', async () => {
  const { clock, ids, preKeys, preKey } = await setup()
  assert.deepEqual(await ids(), [toHex(preKey.id)])
  await clock.advance(DAY_MS - 1)
  assert.deepEqual(await ids(), [toHex(preKey.id)])
  await clock.advance(1)
  const [second, first, ...rest] = await ids()
  assert.deepEqual([first, rest], [toHex(preKey.id), []])
  await clock.advance(DAY_MS)
  const third = await ids()
  assert.equal(third[1], second)
  assert.ok(!third.includes(toHex(preKey.id)), 'nobody is to seal against it any more')
  assert.ok(preKeys.secretOf(preKey.id) !== undefined, 'and what was sealed still opens')
})

test('the private half goes eight days after the last day of its use, from the store too', async () => {
  const { clock, preKeys, preKey, kept, ids } = await setup()
  await clock.advance(10 * DAY_MS - 1)
  assert.ok(preKeys.secretOf(preKey.id) !== undefined)
  await clock.advance(1)
  assert.equal(preKeys.secretOf(preKey.id), undefined, 'at once, whoever asks or not')
  await ids()
  assert.ok(kept.keys.every(({ id }) => toHex(id) !== toHex(preKey.id)))
})

test('nothing is published before it is kept', async () => {
  const { signer, clock, random } = await setup()
  const store = {
    load: async () => [],
    save: async () => Promise.reject(new TypeError('disk full')),
  }
  const preKeys = new PreKeys({ signer, clock, random, store, network: NETWORK })
  await assert.rejects(preKeys.current(), /disk full/)
  await assert.rejects(preKeys.current(), /disk full/)
})

test('two who ask at once get the same, and it is saved once', async () => {
  const { signer, clock, random } = await setup()
  let saves = 0
  const store = {
    load: async () => [],
    save: async () => {
      saves += 1
    },
  }
  const preKeys = new PreKeys({ signer, clock, random, store, network: NETWORK })
  const [a, b] = await Promise.all([preKeys.current(), preKeys.current()])
  assert.deepEqual(a, b)
  assert.equal(saves, 1)
})

test('a clock that was ahead leaves keys that nobody would take; others are made', async () => {
  const { signer, random, kept, preKey } = await setup()
  const store = { load: async () => kept.keys, save: async () => {} }
  const back = new FakeClock(NOW_MS - 30 * DAY_MS)
  const preKeys = new PreKeys({ signer, random, store, clock: back, network: NETWORK })
  const published = await preKeys.current()
  assert.equal(published.length, 1)
  assert.notEqual(toHex(published[0]?.id ?? preKey.id), toHex(preKey.id))
})

test('the list has a bound, however the clock jumps', async () => {
  const { signer, random } = await setup()
  let kept: readonly { id: Uint8Array; secret: Uint8Array; expiresAtMs: number }[] = []
  const store = {
    load: async () => kept,
    save: async (keys: typeof kept) => {
      kept = keys
    },
  }
  for (let day = 60; day > 0; day -= 1) {
    const clock = new FakeClock(NOW_MS + day * DAY_MS)
    await new PreKeys({ signer, random, store, clock, network: NETWORK }).current()
  }
  assert.ok(kept.length <= PRE_KEYS_KEPT_MAX)
})
