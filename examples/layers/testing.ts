/** The layer `testing`: whole nodes for a test, connected, in folders that go with them. */

import assert from 'node:assert/strict'
import { tool, z } from 'p2p-foundation'
import { testnet } from 'p2p-foundation/testing'

await using net = await testnet(3)
const [first, , last] = net.nodes
assert.ok(first !== undefined && last !== undefined)
await first.expose('clock', [tool('now', { input: z.object({}) }, () => 'noon')])
await net.findable('now')
const { content, peer } = await last.tools.call('now', {})
console.log(content, `from ${peer}`)
assert.equal(peer, first.peerId)
