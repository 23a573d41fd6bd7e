/**
 * A DHT of one's own: a table that both nodes share, as a server of one's own would be. The nodes
 * have none of ours, and still find each other's tools and addresses.
 *
 * This one trusts its writers. One that strangers write to must check who signed: what a search
 * believes is `publisher`.
 */

import assert from 'node:assert/strict'
import { createNode, type NodeDht, type PeerId, tool, z } from 'p2p-foundation'
import { folder, quiet } from './folder.ts'

interface Row {
  readonly value: Uint8Array
  readonly publisher: PeerId
  readonly version: number
}

const rows = new Map<string, Row>()
const providers = new Map<string, Set<PeerId>>()
const addresses = new Map<PeerId, readonly string[]>()

/** The table as one node sees it; who that is, is known once the node is there. */
class SharedTable implements NodeDht {
  self: PeerId | undefined

  async put(key: string, value: Uint8Array) {
    const publisher = this.#me()
    const version = (rows.get(key)?.version ?? 0) + 1
    rows.set(key, { value, publisher, version })
    return { key, version, stored: [publisher], failed: [], wanted: 1 }
  }

  async get(key: string) {
    const { value = null, publisher = null, version = null } = rows.get(key) ?? {}
    return { key, value, publisher, version, answered: [], failed: [], complete: true }
  }

  async provide(name: string) {
    const all = providers.get(name) ?? new Set()
    providers.set(name, all.add(this.#me()))
    return { name, stored: [this.#me()], failed: [], wanted: 1 }
  }

  unprovide(name: string) {
    providers.get(name)?.delete(this.#me())
  }

  async findProviders(name: string) {
    const found = [...(providers.get(name) ?? [])].map((peer) => ({ peer, addresses: [] }))
    return { name, providers: found, answered: [], failed: [], complete: true }
  }

  async findPeer(peer: PeerId) {
    return addresses.get(peer) ?? []
  }

  #me(): PeerId {
    assert.ok(this.self !== undefined, 'the node is there before it writes')
    return this.self
  }
}

await using a = await folder()
await using b = await folder()
const [tableA, tableB] = [new SharedTable(), new SharedTable()]
await using alice = await createNode(quiet(a.path), { dht: tableA })
await using bob = await createNode(quiet(b.path), { dht: tableB })
for (const [node, table] of [
  [alice, tableA],
  [bob, tableB],
] as const) {
  table.self = node.peerId
  addresses.set(
    node.peerId,
    node.addresses.map((address) => address.replace(/\/p2p\/.*/, '')),
  )
}

const add = tool('add', { input: z.object({ a: z.number(), b: z.number() }) }, ({ a, b }) => a + b)
await using _ = await alice.expose('calc', [add])
// They never met: bob finds alice in the table, and what she offers.
assert.equal(await bob.connect(alice.peerId), alice.peerId)
const { content } = await bob.callPeer(alice.peerId, 'add', { a: 2, b: 40 })
console.log(content, `from ${rows.size} records in the shared table`)
assert.deepEqual(content, [{ type: 'text', text: '42' }])

await alice.dht.put('/any/key', Buffer.from('ours'))
assert.equal(Buffer.from((await bob.dht.get('/any/key')).value ?? []).toString(), 'ours')
