/** What the knobs of the port mapper change. Nothing is listened on, so no router is asked. */

import { secureRandom, silentLog } from '../../../src/base/index.ts'
import type { NodeConfig } from '../../../src/node/index.ts'
import { composePortMapping } from '../../../src/node/port-mapping.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import type { Observations } from './observation.ts'

/** What the mapper says of the router once it has looked; nothing where there is no mapper. */
async function router({ net }: Pick<NodeConfig, 'net'>): Promise<unknown> {
  const host = { listening: () => [], reach: { mapped: () => undefined } }
  const given = { clock: new FakeClock(), random: secureRandom, log: silentLog, injected: {} }
  const below = { host, datagrams: { addresses: () => [] } }
  const mapper = composePortMapping({ net }, given, below)
  if (mapper === null) return 'no mapper'
  await mapper.start()
  while (mapper.status().reason?.includes('yet') === true) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  const status = mapper.status()
  await mapper.stop()
  return status
}

export const portmapObservations: Observations = {
  'network.port_mapping': { value: true, observe: router },
  'network.gateway': {
    value: '198.51.100.77',
    observe: router,
    beside: { 'network.port_mapping': true },
  },
}
