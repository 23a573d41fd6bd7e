/** A tool of one program, called from another node and listed for that node's assistant. */

import assert from 'node:assert/strict'
import { createNode, tool, z } from 'p2p-foundation'
import { folder, quiet } from './folder.ts'

await using here = await folder()
await using there = await folder()
await using server = await createNode(quiet(here.path))
await using client = await createNode(quiet(there.path))

const greet = tool(
  'greet',
  {
    description: 'Greets somebody by name',
    input: z.object({ name: z.string().min(1).max(64) }),
    idempotent: true,
  },
  async ({ name }, { caller, log }) => {
    log.debug('greeting', { caller })
    return `Hello ${name}, you came as ${caller === client.peerId ? 'the client' : 'yourself'}`
  },
)
await using exposed = await server.expose('greeter', [greet])
await client.connect(server.addresses[0] ?? '')

const answer = await client.callPeer(server.peerId, 'greet', { name: 'Ada' })
console.log(answer.content)
assert.deepEqual(answer.content, [{ type: 'text', text: 'Hello Ada, you came as the client' }])

const own = await server.tools.call('greet', { name: 'Bob' })
assert.deepEqual(own.content, [{ type: 'text', text: 'Hello Bob, you came as yourself' }])

const refused = await client.callPeer(server.peerId, 'greet', { name: '' })
assert.equal(refused.isError, true)
console.log(refused.content)

const listed = await client.catalog.list()
console.log(`the client's assistant sees ${listed.map(({ name }) => name).join(', ')}`)
assert.ok(listed.some(({ name }) => name.startsWith('greeter_greet')))

await exposed.withdraw()
await assert.rejects(client.callPeer(server.peerId, 'greet', { name: 'Ada' }))
console.log('withdrawn: nobody can call it any more')
