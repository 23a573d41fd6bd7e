/** The layer `mcp` over `net`, without a node: tools of one host, called from another. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import {
  InboundStreams,
  mcpConfig,
  mcpMetrics,
  Services,
  Sessions,
  tool,
  z,
} from 'p2p-foundation/mcp'
import { startAll, stopAll } from 'p2p-foundation/net'
import { folder } from '../folder.ts'
import { makeHost, meet } from './hosts.ts'

await using home = await folder()
const config = mcpConfig.parse({})
const withMetrics = async () => {
  const made = await makeHost()
  return { ...made, metrics: mcpMetrics(made.registry), version: '1.0.0' }
}
const [ada, bob] = [await withMetrics(), await withMetrics()]
const services = new Services({ ...ada, path: join(home.path, 'services.json') }, config)
const inbound = new InboundStreams({ ...ada, services }, config)
const sessions = new Sessions(bob, config)
const all = [ada.host, services, inbound, bob.host, sessions]
try {
  await startAll(all)
  const input = z.object({ a: z.number(), b: z.number() })
  services.exposeTools('calc', [tool('add', { input }, ({ a, b }) => a + b)])
  await meet(ada, bob)
  const call = { service: 'calc', tool: 'add', args: { a: 2, b: 40 } }
  const { content } = await sessions.callTool(ada.host.self, call)
  console.log(content)
  assert.deepEqual(content, [{ type: 'text', text: '42' }])
} finally {
  await stopAll(all)
}
