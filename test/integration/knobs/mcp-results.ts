/** What the knobs of results above one frame change: where they are kept, and where they are read. */

import { seededRandom, silentLog } from '../../../src/base/index.ts'
import { ResultReader, ResultStore } from '../../../src/mcp/index.ts'
import { linkTo } from '../../../src/mcp/result-protocol.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ALICE, scratch } from '../../support/mcp-fixture.ts'
import { type Observations, type Observe, outcome } from './observation.ts'

/** Whether a result of 2 KiB is kept for a peer. */
const kept: Observe = async ({ mcp: config }, made) => {
  await using folder = await scratch()
  const random = seededRandom('results')
  const store = new ResultStore({ folder: folder.path, clock: new FakeClock(), random }, config)
  made()
  const text = 'x'.repeat(2_048)
  return await outcome(() => store.keep(ALICE, { content: [{ type: 'text', text }] }))
}

/** Whether it is tried to read a result of 64 KiB, which a peer keeps that cannot be reached. */
const read: Observe = async ({ mcp: config }, made) => {
  const clock = Object.assign(new FakeClock(), { sleep: async () => undefined })
  const host = { open: () => Promise.reject(new TypeError('nobody is there')) }
  const reader = new ResultReader({ host, clock, log: silentLog, network: 'test' }, config)
  made()
  const link = linkTo({ id: '0'.repeat(32), size: 65_536, sha256: '0'.repeat(64) })
  const { signal } = new AbortController()
  return outcome(() => reader.whole({ peer: ALICE, tool: 't' }, { content: [link] }, { signal }))
}

export const mcpResultObservations: Observations = {
  'mcp.result_store_bytes': { value: 1_024, observe: kept },
  'mcp.result_bytes_max': { value: 1_024, observe: read },
}
