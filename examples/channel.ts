/** A channel that outlives its connection: numbers go on where they were when it was cut. */

import assert from 'node:assert/strict'
import { createNode } from 'p2p-foundation'
import { folder, quiet } from './folder.ts'

await using a = await folder()
await using b = await folder()
await using ada = await createNode(quiet(a.path))
await using bob = await createNode(quiet(b.path))
await ada.connect(bob.addresses[0] ?? '')

const COUNT = 1_000
const took: number[] = []
const over = Promise.withResolvers<void>()

bob.onChannel('count/1', async (channel) => {
  for await (const frame of channel) took.push(Number(new TextDecoder().decode(frame)))
  over.resolve()
})

await using channel = await ada.channel(bob.peerId, 'count/1')
for (let n = 1; n <= COUNT; n += 1) {
  // Waits while too much is not confirmed; after half a minute of that it is told.
  await channel.write(new TextEncoder().encode(String(n)))
  if (n % 250 === 0) await bob.disconnect(ada.peerId)
}

await channel.confirmed()
assert.equal(channel.unconfirmed, 0)
console.log(`${COUNT} numbers written, the connection cut ${COUNT / 250} times, all confirmed`)

await channel.close()
await over.promise
assert.deepEqual(
  took,
  Array.from({ length: COUNT }, (_, i) => i + 1),
)
console.log(`bob took ${took.length}, each once and in order`)
