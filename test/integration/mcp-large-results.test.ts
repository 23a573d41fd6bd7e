/** Results above one frame, between two whole nodes: of own tools and of third-party servers. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { type LargeResult, tool } from '../../src/mcp/index.ts'
import type { NodeOptions } from '../../src/node/index.ts'
import { coded } from '../support/expect.ts'
import { addressOf, eventually, fixtureService, type TestNode, testNode } from '../support/nodes.ts'

const MIB = 1024 * 1024
const input = z.object({ mib: z.number() })
const size = ({ mib }: { readonly mib: number }) => 'é"'.repeat((mib * MIB) / 2)
const long = tool('long', { description: 'a long text', input, idempotent: true }, size)

interface Pair extends AsyncDisposable {
  readonly far: TestNode
  readonly near: TestNode
}

/** The second node offers tools, the first calls them. */
async function pair(options: { far?: NodeOptions; near?: NodeOptions } = {}): Promise<Pair> {
  const far = await testNode(options.far)
  const near = await testNode({ ...options.near, bootstrap: { nodes: [addressOf(far, 'tcp')] } })
  const stop = async () => {
    await near[Symbol.asyncDispose]()
    await far[Symbol.asyncDispose]()
  }
  return { far, near, [Symbol.asyncDispose]: stop }
}

async function known({ near }: Pair, name: string): Promise<void> {
  await eventually(async () => (await near.node.tools.find({ tool: name })).at(0))
}

const textOf = (content: readonly unknown[]) => (content[0] as { text: string }).text

test('a result of an own tool above one frame arrives whole, and leaves nothing behind', async () => {
  await using net = await pair()
  await net.far.node.expose('own', [long])
  await known(net, 'long')
  const { content } = await net.near.node.tools.call('long', { mib: 17 })
  assert.equal(textOf(content), size({ mib: 17 }))
  const results = join(net.far.node.dataDir.path, 'results')
  assert.equal((await readdir(results)).length, 1)
  await net.far.node.stop()
  await assert.rejects(readdir(results), { code: 'ENOENT' })
})

test('a line of a third-party server above one frame arrives whole, and it goes on', async () => {
  await using net = await pair()
  await net.far.node.services.expose(fixtureService('fixture'), { detached: false })
  await known(net, 'big')
  const call = (name: string, args: object) => net.near.node.tools.call(name, { ...args })
  const { content } = await call('big', { mib: 64 })
  assert.equal(textOf(content).length, 64 * MIB)
  assert.deepEqual((await call('add', { a: 2, b: 40 })).structuredContent, { sum: 42 })
})

test('a caller takes a result in parts where it is too large for its memory', async () => {
  await using net = await pair({ near: { mcp: { resultBytesMax: 1024 * 1024 } } })
  await net.far.node.expose('own', [long])
  await known(net, 'long')
  await assert.rejects(net.near.node.tools.call('long', { mib: 17 }), coded('MCP_RESULT_TOO_LARGE'))
  const hash = createHash('sha256')
  let bytes = 0
  const onlarge = async (result: LargeResult) => {
    for await (const part of result.parts) {
      bytes += part.length
      hash.update(part)
    }
    assert.equal(bytes, result.bytes)
    assert.equal(hash.digest('hex'), result.sha256)
  }
  const { content } = await net.near.node.tools.call('long', { mib: 17 }, { onlarge })
  assert.ok(bytes > 17 * MIB)
  assert.equal((content[0] as { type: string }).type, 'resource_link')
})

test('what the store has no room for is refused: the tool ran, and nobody else is asked', async () => {
  await using net = await pair({ far: { mcp: { resultStoreBytes: 8 * MIB } } })
  await net.far.node.expose('own', [long])
  await known(net, 'long')
  const call = net.near.node.tools.call('long', { mib: 17 })
  await assert.rejects(call, /MCP_RESULT_TOO_LARGE/)
  assert.deepEqual(await readdir(join(net.far.node.dataDir.path, 'results')), [])
})
