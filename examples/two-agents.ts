/** Two agents, each with a node in a process of its own: one asks, the other answers. */

import assert from 'node:assert/strict'
import { Agent, type AgentMessage } from 'p2p-foundation/launcher'
import { folder } from './folder.ts'

await using a = await folder()
await using b = await folder()
// No key: each makes its own. Yours would be the third argument.
const alone = { env: { P2P_NETWORK_PRESET: 'test' } }
await using alice = new Agent('alice', 0, '', { ...alone, dataDir: a.path })
await alice.start()
const bootstrapPeers = alice.addresses
await using bob = new Agent('bob', 0, '', { ...alone, dataDir: b.path, bootstrapPeers })
bob.on(
  'message',
  ({ from, data, id }) => void bob.send(from, `hello ${String(data)}`, { replyTo: id }),
)
const answer = new Promise<AgentMessage>((resolve) => alice.on('message', resolve))
await bob.start()

const { id } = await alice.send(bob.address ?? '', 'world')
const { from, data, replyTo } = await answer
console.log(`${from} answered: ${String(data)}`)
assert.deepEqual([from, data, replyTo], [bob.address, 'hello world', id])
