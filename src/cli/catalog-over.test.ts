import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setup } from '../../test/support/cli-context.ts'
import { testTool } from '../../test/support/mcp-directory.ts'
import type { ToolInfo } from '../mcp/index.ts'
import { catalogOver } from './catalog-over.ts'
import type { NodeClient } from './rooms.ts'

type Status = Awaited<ReturnType<NodeClient['status']>>

/** A catalog over a node whose peers and tools the test changes; `told` counts the changes. */
function watched() {
  const { clock } = setup()
  const now = { peers: 0, tools: [] as readonly ToolInfo[], lists: 0, told: 0, broken: false }
  const node = {
    async status() {
      if (now.broken) throw new TypeError('gone')
      return { peers: now.peers } as Status
    },
    async catalogList() {
      now.lists += 1
      return now.tools
    },
    catalogCall: async () => ({ content: [] }),
    catalogRead: async (uri: string) => ({ uri, mimeType: 'text/plain', text: '' }),
  }
  const catalog = catalogOver(node, clock, Promise.resolve())
  const unwatch = catalog.watch?.(() => {
    now.told += 1
  })
  return { catalog, clock, now, unwatch: unwatch ?? assert.fail('it cannot be watched') }
}

test('whoever watches is told when peers bring other tools', async () => {
  const { catalog, clock, now, unwatch } = watched()
  await catalog.list()
  await clock.advance(5_000)
  assert.deepEqual([now.lists, now.told], [2, 0])
  await clock.advance(20_000)
  assert.equal(now.lists, 2, 'nobody came or went')
  ;[now.peers, now.tools] = [1, [testTool('add')]]
  await clock.advance(5_000)
  assert.deepEqual([now.lists, now.told], [3, 1])
  now.peers = 2
  await clock.advance(5_000)
  assert.equal(now.told, 1, 'the new peer has no tools')
  unwatch()
  now.tools = []
  await clock.advance(120_000)
  assert.deepEqual([now.told, clock.waiting], [1, 0])
})

test('a list that is a minute old is made anew, and a node that is away is looked for', async () => {
  const { catalog, clock, now, unwatch } = watched()
  await clock.advance(60_000)
  assert.equal(now.lists, 0, 'who never asked knows no other list')
  await catalog.list()
  now.broken = true
  await clock.advance(60_000)
  now.broken = false
  now.tools = [testTool('add')]
  await clock.advance(5_000)
  assert.equal(now.told, 1)
  now.tools = [testTool('add', { description: 'Adds up' })]
  await clock.advance(65_000)
  assert.equal(now.told, 2)
  unwatch()
})
