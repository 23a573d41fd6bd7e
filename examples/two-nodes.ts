/** Two nodes on one machine: one connects to the other, and each sees who that is. */

import assert from 'node:assert/strict'
import { createNode } from 'p2p-foundation'
import { folder, quiet } from './folder.ts'

await using here = await folder()
await using there = await folder()
await using alice = await createNode(quiet(here.path))
await using bob = await createNode(quiet(there.path))

const [address = ''] = alice.addresses
const who = await bob.connect(address)
console.log(`bob reached ${who} at ${address}`)
assert.equal(who, alice.peerId)

const [peer] = await bob.peers()
assert.equal(peer?.peer, alice.peerId)
console.log(`over ${peer.connections[0]?.transport}, ${await bob.ping(who)} ms away`)
assert.equal(bob.status().peers, 1)
