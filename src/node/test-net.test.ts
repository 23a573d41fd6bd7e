import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { tool, z } from '../mcp/index.ts'
import { testnet } from './test-net.ts'

test('nodes are connected to each other, find tools, and leave nothing behind', async () => {
  const net = await testnet(3)
  const folders = net.nodes.map(({ dataDir }) => dataDir.path)
  {
    await using _ = net
    assert.deepEqual(
      net.nodes.map((node) => node.status().peers),
      [2, 2, 2],
    )
    const [first, , last] = net.nodes
    const now = tool('now', { input: z.object({}) }, () => 'noon')
    await first?.expose('clock', [now])
    await net.findable('now')
    assert.equal((await last?.tools.call('now', {}))?.peer, first?.peerId)
  }
  assert.deepEqual(
    folders.filter((folder) => existsSync(folder)),
    [],
  )
})

test('what is waited for in vain is named, with the nodes that lack it', async () => {
  await using net = await testnet(2, { timeoutMs: 3_000 })
  const [first] = net.nodes
  const waiting = net.until('the second is first', (node) => node === first)
  await assert.rejects(waiting, /the second is first.*node 1$/)
  const hanging = net.until('an answer', () => new Promise<boolean>(() => undefined))
  await assert.rejects(hanging, /an answer.*node 0, node 1$/)
})

test('a net of no nodes, or of too many, is refused', async () => {
  for (const count of [0, 1.5, -1, 65]) {
    await assert.rejects(testnet(count), coded('NODE_INJECTED_INVALID'))
  }
})
