/**
 * A codec of one's own for topics: here compressed JSON. Both sides must have it; whoever has
 * another cannot read the messages, and they are not passed on.
 */

import assert from 'node:assert/strict'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { type Codec, createNode } from 'p2p-foundation'
import { folder, quiet } from './folder.ts'

const VALUE_BYTES_MAX = 1_000_000
let encoded = 0
const codec: Codec = {
  encode(value) {
    const bytes = deflateRawSync(JSON.stringify(value))
    encoded = bytes.length
    return bytes
  },
  // What unpacks to more than it may is refused before it fills memory.
  decode: (bytes) =>
    JSON.parse(inflateRawSync(bytes, { maxOutputLength: VALUE_BYTES_MAX }).toString()) as unknown,
}

await using a = await folder()
await using b = await folder()
await using alice = await createNode(quiet(a.path), { codec })
await using bob = await createNode(quiet(b.path), { codec })
await bob.connect(alice.addresses[0] ?? '')

await using news = bob.subscribe<{ text: string }>('news')
const text = 'again and '.repeat(1_000)
const { state } = await alice.publish('news', { text }, { waitForPeersMs: 10_000 })
assert.equal(state, 'sent')
for await (const { value } of news) {
  assert.equal(value.text, text)
  break
}
console.log(`${text.length} characters crossed as ${encoded} bytes`)
assert.ok(encoded < text.length / 10)
