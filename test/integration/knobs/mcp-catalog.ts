/** What the knobs of `[mcp]` change for assistants: which tools they are shown. */

import assert from 'node:assert/strict'
import { silentLog } from '../../../src/base/index.ts'
import { Approvals, LocalCatalog } from '../../../src/mcp/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeHost, FakeServices, testPeer, testTool } from '../../support/mcp-directory.ts'
import type { Observations, Observe } from './observation.ts'

const [SELF, BOB] = [testPeer(1), testPeer(2)]
const TOOLS = 3

/** Names of a list where another peer has a few tools. */
const listed: Observe = async ({ mcp: config }, made) => {
  const services = [{ peer: BOB, service: 'calc', schemaHash: 'h' }]
  const tools = Array.from({ length: TOOLS }, (_, i) => testTool(`t${i}`))
  const catalog = new LocalCatalog(
    {
      approvals: new Approvals({ path: null, log: silentLog }, config),
      clock: new FakeClock(),
      log: silentLog,
      host: new FakeHost(SELF),
      services: new FakeServices(),
      directory: {
        find: async () => ({ entries: [], services, asked: 0, failed: [], cached: false }),
      },
      sessions: { listTools: async () => tools },
      router: { call: () => assert.fail('nobody calls') },
      links: { open: () => assert.fail('nobody asked for a line') },
    },
    config,
  )
  made()
  return (await catalog.list()).map(({ name }) => name)
}

export const mcpCatalogObservations: Observations = {
  'mcp.gateway_tools_max': { value: TOOLS - 1, observe: listed },
  'mcp.approve': { value: 'ask', observe: listed },
}
