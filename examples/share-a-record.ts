/** A signed record in the DHT: written by one node, read by another that never met the author. */

import assert from 'node:assert/strict'
import { createNode } from 'p2p-foundation'
import { folder, quiet } from './folder.ts'

await using a = await folder()
await using b = await folder()
await using c = await folder()
await using author = await createNode(quiet(a.path))
await using middle = await createNode(quiet(b.path))
await using reader = await createNode(quiet(c.path))
await author.connect(middle.addresses[0] ?? '')
await reader.connect(middle.addresses[0] ?? '')

/** A peer takes part in the DHT once it is known to speak it, a moment after it connected. */
async function eventually<T>(work: () => Promise<T>, good: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    const value = await work()
    if (good(value) || tries === 50) return value
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

// A name under one's own peer id is one's own: nobody else can write there.
const key = `/data/${author.peerId}/greeting`
const put = await eventually(
  () => author.dht.put(key, Buffer.from('hello')),
  ({ stored }) => stored.length > 1,
)
console.log(`version ${put.version} stored at ${put.stored.length} of ${put.wanted} wanted`)

const found = await eventually(
  () => reader.dht.get(key),
  ({ value }) => value !== null,
)
assert.equal(Buffer.from(found.value ?? []).toString(), 'hello')
assert.equal(found.publisher, author.peerId)
console.log(`the reader found it, signed by ${found.publisher}`)

const foreign = await reader.dht.put(key, Buffer.from('mine')).catch((error: unknown) => error)
assert.ok(foreign instanceof Error)
console.log(`and cannot change it: ${foreign.message}`)
