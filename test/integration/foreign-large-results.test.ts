/**
 * Results above one frame for MCP clients that are no node of ours, in both eras: through the
 * gateway of all tools and through that of one service. Prints what this process took at most.
 */

import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { secureRandom, silentLog, systemClock } from '../../src/base/index.ts'
import { createHttpFace, ServiceFaces } from '../../src/mcp/index.ts'
import { addressOf, eventually, fixtureService, testNode } from '../support/nodes.ts'

const MIB = 1024 * 1024
const LARGE_MIB = 64

async function listening(handle: RequestListener) {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const stop = async () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: new URL(`http://127.0.0.1:${address.port}/`), [Symbol.asyncDispose]: stop }
}

/** The parts of the result that an answer links to, joined, without holding them. */
async function readAll(client: Client, content: readonly unknown[]): Promise<number> {
  const [, link] = content as [unknown, { uri: string; size: number; _meta: object }]
  const { 'p2p-foundation/parts': parts } = link._meta as Record<string, number>
  let bytes = 0
  for (let part = 0; part < (parts ?? 0); part += 1) {
    const { contents } = await client.readResource({ uri: link.uri.replace('=0', `=${part}`) })
    const [first] = contents
    assert.ok(first !== undefined && 'text' in first)
    if (part === 0) assert.match(first.text.slice(0, 200), /"text":"xxx/)
    bytes += Buffer.byteLength(first.text)
  }
  assert.equal(bytes, link.size)
  return bytes
}

test('a foreign client reads a result of 64 MiB in parts of one MiB', async (t) => {
  await using far = await testNode()
  await using near = await testNode({ bootstrap: { nodes: [addressOf(far, 'tcp')] } })
  await far.node.services.expose(fixtureService('fixture'), { detached: false })
  const { catalog } = near.node
  const name = await eventually(async () => {
    const tools = await catalog.list()
    return tools.find((tool) => tool.name.startsWith('fixture_big'))?.name
  })
  const room = { clock: systemClock, random: secureRandom, log: silentLog }
  const faces = new ServiceFaces({ ...room, links: catalog.links })
  const face = createHttpFace(catalog, { version: '0', log: silentLog, services: faces })
  const place = { service: 'fixture', peer: far.node.peerId }
  await using all = await listening((request, response) => void face.handle(request, response))
  await using one = await listening((request, response) => {
    void face.handle(request, response, undefined, place)
  })
  for (const mode of ['legacy', { pin: '2026-07-28' }] as const) {
    for (const [url, tool] of [
      [all.url, name],
      [one.url, 'big'],
    ] as const) {
      const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
      await client.connect(new StreamableHTTPClientTransport(url))
      const small = await client.callTool({ name: tool, arguments: { mib: 1 } })
      assert.equal(small.content.length, 1)
      globalThis.gc?.()
      const before = process.memoryUsage.rss()
      let peak = before
      const looking = setInterval(() => {
        peak = Math.max(peak, process.memoryUsage.rss())
      }, 5)
      const options = { timeout: 120_000 }
      const result = await client.callTool({ name: tool, arguments: { mib: LARGE_MIB } }, options)
      assert.equal(result.content.length, 2, JSON.stringify(result.content).slice(0, 200))
      const bytes = await readAll(client, result.content)
      clearInterval(looking)
      assert.ok(bytes > LARGE_MIB * MIB)
      const grown = Math.round((peak - before) / MIB)
      const era = typeof mode === 'string' ? mode : mode.pin
      t.diagnostic(`${era} ${tool}: ${grown} MiB more than the ${Math.round(before / MIB)} before`)
      await client.close()
    }
  }
  await face.close()
})
