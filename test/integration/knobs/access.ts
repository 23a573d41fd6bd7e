/** What the knobs of `[security]` and `[log]` change. */

import { AccessPolicy, accessMetrics } from '../../../src/access/index.ts'
import { createLog, Registry, silentLog } from '../../../src/base/index.ts'
import { signerOf } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Observations, type Observe, timesUntilRefused } from './observation.ts'

const PEER = signerOf(1).peer

/** How many requests of one peer are admitted at once. */
const admitted: Observe = ({ access }, made) => {
  const deps = { clock: new FakeClock(), log: silentLog, metrics: accessMetrics(new Registry()) }
  const policy = new AccessPolicy(deps, access)
  made({ policy })
  return timesUntilRefused(() => policy.admit(PEER, 'connect'), 100_000)
}

/** The lines of three modules that get through. */
const lines: Observe = ({ log }, made) => {
  const written: string[] = []
  const root = createLog({ ...log, write: (line) => written.push(line) })
  const modules = ['net', 'dht'].map((name) => root.child(name))
  made({ log: root })
  for (const [i, module] of modules.entries()) {
    module.debug(`debug ${i}`)
    module.info(`info ${i}`)
    module.warn(`warn ${i}`)
  }
  return written.map((line) => (JSON.parse(line) as { msg: string }).msg)
}

const isFriend = { 'security.granted': [PEER] }

export const accessObservations: Observations = {
  'security.rate_limit_per_peer': { value: 10, observe: admitted },
  'security.rate_limit_granted': { value: 10, observe: admitted, beside: isFriend },
  'security.total_rate_limit': { value: 10, observe: admitted },
  'security.rate_burst': { value: 5, observe: admitted },
  'security.blocked': { value: [PEER], observe: admitted },
  'security.granted': { value: [PEER], observe: admitted },
  'log.level': { value: 'warn', observe: lines },
  'log.modules': { value: { dht: 'debug' }, observe: lines },
}
