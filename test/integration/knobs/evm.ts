/** What the knobs of `[evm]` change, and those of `[agent]` that concern the registry. */

import { RegistryGate, registryMetrics } from '../../../src/agent/index.ts'
import { Registry, seededRandom, silentLog } from '../../../src/base/index.ts'
import { Chain, evmMetrics, type Standing } from '../../../src/evm/index.ts'
import { ethAddress } from '../../../src/identity/index.ts'
import { registryPlace } from '../../../src/node/agent-registry.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Observations, type Observe, quiet, timeOf } from './observation.ts'

const [ONE, OTHER] = [`0x${'1'.repeat(40)}`, `0x${'2'.repeat(40)}`]
/** Where the two settings may point. */
const ENVIRONMENT = { RPC_URL: 'http://one/', OTHER_URL: 'http://other/', REGISTRY_ADDRESS: ONE }
const WITHIN = { stepMs: 500, maxMs: 120_000 }

const place: Observe = async (config) => {
  const found = await registryPlace(
    { ...config, agent: { ...config.agent, enabled: true } },
    ENVIRONMENT,
  )
  return found ?? 'none'
}

/** A chain that never answers: how often it is asked, and how long that takes. */
const patience: Observe = async ({ evm }, made) => {
  const clock = new FakeClock()
  let asked = 0
  const fetch = (_: string, init?: RequestInit) => {
    asked += 1
    return new Promise<Response>((_resolve, reject) => {
      init?.signal?.addEventListener('abort', () => reject(new TypeError('aborted')))
    })
  }
  const metrics = evmMetrics(new Registry())
  const deps = { clock, random: seededRandom('evm'), log: silentLog, metrics, fetch }
  const chain = new Chain(deps, { ...evm, url: ENVIRONMENT.RPC_URL })
  // The library is loaded at the first request, which takes turns that no clock counts.
  await chain.id({ signal: AbortSignal.abort() }).catch(() => undefined)
  made()
  asked = 0
  return { tookMs: await timeOf(clock, chain.id(), WITHIN), asked }
}

/** A gate whose registry knows nobody: whom it lets in, and how often it asks in ten minutes. */
const gate: Observe = async ({ agent }, made) => {
  const clock = new FakeClock(1_000_000)
  let asked = 0
  const answer: Standing = {
    registered: true,
    status: 'online',
    blockedForAll: false,
    blockedByReceiver: false,
  }
  const standing = async (sender: string) => {
    asked += 1
    return { ...answer, registered: sender === ONE }
  }
  const metrics = registryMetrics(new Registry())
  const deps = { clock, random: seededRandom('gate'), log: silentLog, metrics }
  const self = ethAddress(OTHER)
  const found = new RegistryGate({ ...deps, self, registry: { standing } }, agent)
  made()
  const stranger = await found.admits(ethAddress(OTHER))
  for (let second = 0; second < 600; second += 10) {
    await found.admits(ethAddress(ONE))
    await clock.advance(10_000)
    await quiet(1)
  }
  return { stranger, asked }
}

export const evmObservations: Observations = {
  'evm.rpc_url': { value: 'env:OTHER_URL', observe: place },
  'evm.registry_address': { value: OTHER, observe: place },
  'evm.request_timeout': { value: 3, observe: patience },
  'evm.attempts_max': { value: 1, observe: patience },
  'agent.require_registered': { value: true, observe: gate },
  'agent.registry_cache': { value: 60, observe: gate },
}
