/**
 * A transport of one's own: here libp2p's memory transport, so that two nodes of one process talk
 * without a socket. Any libp2p transport goes in the same way.
 */

import assert from 'node:assert/strict'
import { memory } from '@libp2p/memory'
import { createNode, tool, z } from 'p2p-foundation'
import { folder, quiet } from './folder.ts'

await using a = await folder()
await using b = await folder()
const at = (name: string) => ({ net: { listen: [`/memory/${name}`] } })
const transports = [memory()]
await using alice = await createNode({ ...quiet(a.path), ...at('alice') }, { transports })
await using bob = await createNode({ ...quiet(b.path), ...at('bob') }, { transports })
console.log(`alice listens at ${alice.addresses.join(', ')} and nowhere else`)
assert.ok(alice.addresses.every((address) => address.startsWith('/memory/')))
assert.equal(alice.status().quic.state, 'off')

const echo = tool('echo', { input: z.object({ text: z.string() }) }, ({ text }) => text)
await using _ = await alice.expose('echo', [echo])
await bob.connect(alice.addresses[0] ?? '')
const { content, attempts } = await bob.callPeer(alice.peerId, 'echo', { text: 'no socket' })
console.log(content, attempts)
assert.deepEqual(content, [{ type: 'text', text: 'no socket' }])
assert.equal(attempts[0]?.path, 'memory')
