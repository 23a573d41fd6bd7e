/** The layer `dht` over `net`, without a node: a record put by one host and read by another. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Dht, dhtConfig, dhtMetrics, SqliteStore } from 'p2p-foundation/dht'
import { startAll, stopAll } from 'p2p-foundation/net'
import { folder } from '../folder.ts'
import { makeHost, meet } from './hosts.ts'

async function holder(path: string) {
  const made = await makeHost()
  const { registry, keys } = made
  const storage = new SqliteStore(path)
  const deps = { ...made, storage, signer: keys.signer, metrics: dhtMetrics(registry) }
  const dht = new Dht(deps, dhtConfig.parse({}))
  return { ...made, dht, storage, services: [made.host, dht] }
}

await using home = await folder()
const ada = await holder(join(home.path, 'ada.sqlite'))
const bob = await holder(join(home.path, 'bob.sqlite'))
const services = [...ada.services, ...bob.services]
try {
  await startAll(services)
  await meet(ada, bob)
  for (let tries = 0; ada.dht.peers * bob.dht.peers === 0 && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const key = `/data/${ada.host.self}/example`
  const { stored } = await ada.dht.put(key, Buffer.from('hello'))
  const { value, publisher } = await bob.dht.get(key)
  const read = Buffer.from(value ?? []).toString()
  console.log(`${stored.length} hold it; bob read ${read}`)
  assert.deepEqual([read, publisher], ['hello', ada.host.self])
  assert.equal(stored.length, 2)
} finally {
  await stopAll(services)
  ada.storage.close()
  bob.storage.close()
}
