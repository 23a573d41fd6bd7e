/** Three people in one room: a topic with a schema, which every message must fit. */

import assert from 'node:assert/strict'
import { createNode, hasCode, z } from 'p2p-foundation'
import { folder, quiet } from './folder.ts'

const TOPIC = 'chat/lobby'
const Line = z.object({ from: z.string().max(32), text: z.string().min(1).max(500) })

await using a = await folder()
await using b = await folder()
await using c = await folder()
await using ada = await createNode(quiet(a.path))
await using bob = await createNode(quiet(b.path))
await using eve = await createNode(quiet(c.path))
for (const node of [ada, bob, eve]) node.topic(TOPIC, Line, { bytesMax: 2_000 })
for (const node of [bob, eve]) await node.connect(ada.addresses[0] ?? '')

await using atAda = ada.subscribe<z.infer<typeof Line>>(TOPIC)
await using atBob = bob.subscribe<z.infer<typeof Line>>(TOPIC)

/** The first line that somebody hears, and whose it is. */
async function first(lines: typeof atAda) {
  for await (const { from, value } of lines) {
    console.log(`${value.from}: ${value.text}`)
    return { from, text: value.text }
  }
  return undefined
}

// Gossip owes nothing to who joins at this very moment: eve greets until both have heard her.
const hello = { from: 'eve', text: 'hello' }
const heard = new AbortController()
const all = Promise.all([first(atAda), first(atBob)]).finally(() => heard.abort())
for (let tries = 0; !heard.signal.aborted && tries < 100; tries += 1) {
  const { peers, state } = await eve.publish(TOPIC, hello, { waitForPeersMs: 10_000 })
  assert.equal(state, 'sent')
  if (tries === 0) console.log(`eve's line was handed to ${peers} peer(s)`)
  await new Promise((resolve) => setTimeout(resolve, 100))
}
const expected = { from: eve.peerId, text: 'hello' }
assert.deepEqual(await all, [expected, expected])

const wrong = await eve.publish(TOPIC, { from: 'eve', text: '' }).catch((error: unknown) => error)
assert.ok(hasCode(wrong, 'PUBSUB_VALUE_REFUSED'))
console.log(`refused before it left: ${wrong.message}`)
