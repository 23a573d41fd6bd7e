/** What the layers above `net` stand on: two hosts on loopback, made without a node. */

import { generateKeys } from 'p2p-foundation/identity'
import {
  AccessPolicy,
  accessConfig,
  accessMetrics,
  createNet,
  type NetDeps,
  netConfig,
  netMetrics,
  Registry,
  secureRandom,
  silentLog,
  systemClock,
} from 'p2p-foundation/net'

/** What every room wants besides a host. */
export function makeRoom() {
  const registry = new Registry()
  const room = { clock: systemClock, random: secureRandom, log: silentLog, network: 'example' }
  const access = { ...room, metrics: accessMetrics(registry) }
  const policy = new AccessPolicy(access, accessConfig.parse({}))
  return { ...room, registry, policy, keys: generateKeys(secureRandom) }
}

/** A host that is not started yet; `services` go into libp2p itself. */
export async function makeHost(room = makeRoom(), services: NetDeps['services'] = {}) {
  const config = netConfig.parse({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  const deps = { ...room, metrics: netMetrics(room.registry), agent: 'example/1' }
  const host = await createNet({ ...deps, services }, config)
  return { ...room, host }
}

export type Made = Awaited<ReturnType<typeof makeHost>>

/** Connects the second to the first. */
export async function meet({ host }: Made, other: Made): Promise<void> {
  await other.host.connect(host.addresses()[0] ?? '')
}
