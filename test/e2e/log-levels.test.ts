/** Levels of single modules, changed while the node runs. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CliNode, startNode } from '../support/cli.ts'

interface Line {
  readonly level: string
  readonly module?: string
}

/** What the node writes while `work` runs. */
async function written(node: CliNode, work: () => Promise<unknown>): Promise<readonly Line[]> {
  const before = node.log.length
  await work()
  const lines = node.log.slice(before).split('\n')
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Line)
}

test('the level of one module changes at once, and changes back, without a restart', async () => {
  await using node = await startNode([], { env: { P2P_LOG_LEVEL: 'error' } })
  // Nobody listens there, which is of interest to the library that dials and to nobody else.
  const dial = () => node.p2p('connect', '/ip4/127.0.0.1/tcp/1', '--timeout', '5s')
  assert.deepEqual(await written(node, dial), [])

  await node.json('config', 'set', 'log.modules.libp2p', 'trace')
  const lines = await written(node, dial)
  assert.ok(lines.length > 0)
  for (const { module } of lines) assert.match(String(module), /^libp2p(:|$)/)
  assert.ok(lines.some(({ level }) => level === 'debug' || level === 'trace'))

  await node.json('config', 'set', 'log.modules.libp2p', '--unset')
  assert.deepEqual(await written(node, dial), [])
})
