import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { boundedDatastore } from './bounded-datastore.ts'

type Store = ReturnType<typeof boundedDatastore>
type Key = Parameters<Store['get']>[0]

const key = (name: string) => ({ toString: () => name }) as unknown as Key
const value = Uint8Array.of(1)

function setup() {
  const clock = new FakeClock()
  return { clock, store: boundedDatastore({ entriesMax: 3, ttlMs: 100, pinned: '/self' }, clock) }
}

async function names(store: Store): Promise<string[]> {
  const found: string[] = []
  for await (const pair of store.query({ prefix: '/' })) found.push(pair.key.toString())
  return found.sort()
}

test('the least recently used entry makes room, our own never does', async () => {
  const { store } = setup()
  await store.put(key('/self'), value)
  for (const name of ['/a', '/b', '/c', '/d']) await store.put(key(name), value)
  assert.deepEqual(await names(store), ['/b', '/c', '/d', '/self'])
  assert.deepEqual(await store.get(key('/self')), value)
})

test('get() of what is not there throws what libp2p looks for', async () => {
  const { store, clock } = setup()
  const find = async (name: string) => store.get(key(name))
  await assert.rejects(find('/a'), { name: 'NotFoundError' })
  await store.put(key('/a'), value)
  assert.equal(await store.has(key('/a')), true)
  await clock.advance(101)
  await assert.rejects(find('/a'), { name: 'NotFoundError' })
  await store.put(key('/b'), value)
  await store.delete(key('/b'))
  assert.equal(await store.has(key('/b')), false)
})

test('query() filters and orders; batches are carried out at commit', async () => {
  const { store } = setup()
  const batch = store.batch()
  batch.put(key('/a'), value)
  batch.put(key('/b'), value)
  batch.delete(key('/a'))
  assert.deepEqual(await names(store), [])
  await batch.commit()
  assert.deepEqual(await names(store), ['/b'])
  await store.put(key('/c'), value)
  const found: string[] = []
  const filters = [(pair: { key: Key }) => pair.key.toString() !== '/b']
  for await (const pair of store.query({ prefix: '/', filters })) found.push(pair.key.toString())
  assert.deepEqual(found, ['/c'])
})
