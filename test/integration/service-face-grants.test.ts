/** A service at another node, whole, through the gateway: with what this node was granted. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { secureRandom, silentLog, systemClock } from '../../src/base/index.ts'
import { ServiceFaces } from '../../src/mcp/index.ts'
import { addressOf, fixtureService, type TestNode, testNode } from '../support/nodes.ts'

const ERAS = ['legacy', { pin: '2026-07-28' }] as const

/** The face of one service of `far`, served by `near` on a port of this machine. */
async function faceOf(near: TestNode, far: TestNode) {
  const { links } = near.node.catalog
  const room = { clock: systemClock, random: secureRandom, log: silentLog }
  const faces = new ServiceFaces({ ...room, links })
  const place = { service: 'fixture', peer: far.node.peerId }
  const server = createServer((request, response) => {
    faces
      .handle(place, request, response)
      .catch((error: unknown) => response.destroy(error as Error))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const connect = async (mode: (typeof ERAS)[number]) => {
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
    const url = new URL(`http://127.0.0.1:${address.port}/`)
    await client.connect(new StreamableHTTPClientTransport(url))
    return client
  }
  const stop = async () => {
    await faces.close()
    server.closeAllConnections()
    server.close()
  }
  return { connect, [Symbol.asyncDispose]: stop }
}

for (const mode of ERAS) {
  const era = typeof mode === 'string' ? mode : mode.pin
  test(`the face of a service shows grants, and says which is missing (${era})`, async () => {
    await using far = await testNode()
    await using near = await testNode({ bootstrap: { nodes: [addressOf(far, 'tcp')] } })
    const exposure = { allow: 'granted' as const }
    const spec = { ...fixtureService('fixture'), exposure }
    await far.node.services.expose(spec, { detached: false })
    await using face = await faceOf(near, far)
    const missing = (tool: RegExp) => (error: unknown) => {
      assert.match(String(error), tool)
      assert.match(JSON.stringify((error as { data?: unknown }).data), /ACCESS_GRANT_MISSING/)
      return true
    }
    await assert.rejects(face.connect(mode), /p2p grant fixture|did not offer/)

    const asked = { to: near.node.peerId, service: 'fixture', tool: 'add' }
    const { token } = await far.node.grants.issue(asked)
    await near.node.grants.accept(token)
    const client = await face.connect(mode)
    const { tools } = await client.listTools()
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['add'],
    )
    const { structuredContent } = await client.callTool({ name: 'add', arguments: { a: 2, b: 40 } })
    assert.deepEqual(structuredContent, { sum: 42 })
    await assert.rejects(client.callTool({ name: 'pid', arguments: {} }), missing(/pid/))
    await client.close()
  })
}
