/** Real nodes in one process: over libp2p's memory transport, or over real sockets on loopback. */

import { memory } from '@libp2p/memory'
import type { Policy } from '../../src/access/index.ts'
import {
  type Logger,
  Registry,
  secureRandom,
  silentLog,
  startAll,
  stopAll,
  systemClock,
} from '../../src/base/index.ts'
import { generateKeys } from '../../src/identity/index.ts'
import {
  createNet,
  type Libp2pHost,
  type NetConfig,
  type NetDeps,
  netConfig,
  netMetrics,
} from '../../src/net/index.ts'

export interface Testnet extends AsyncDisposable {
  readonly hosts: readonly Libp2pHost[]
}

export interface TestnetOptions {
  /** Real sockets on these addresses in place of memory; give port 0. */
  readonly listen?: readonly string[]
  readonly config?: Partial<NetConfig>
  readonly policy?: Policy
  readonly log?: Logger
  readonly registry?: Registry
  readonly deps?: Partial<NetDeps>
}

/** Starts `count` hosts that know each other's addresses. */
export async function testnet(count: number, options: TestnetOptions = {}): Promise<Testnet> {
  const hosts: Libp2pHost[] = []
  for (let i = 0; i < count; i += 1) hosts.push(await testHost(options))
  await startAll(hosts)
  for (const host of hosts) {
    for (const other of hosts.filter((candidate) => candidate !== host)) {
      await host.learn(other.self, other.addresses(), host.self)
    }
  }
  return { hosts, [Symbol.asyncDispose]: () => stopAll(hosts) }
}

/** Lets everybody in; tests of refusals bring their own. */
export const openPolicy: Policy = { admit() {} }

/** One host, not started. */
export async function testHost(options: TestnetOptions = {}): Promise<Libp2pHost> {
  const { listen, config, policy = openPolicy, log = silentLog, deps = {} } = options
  networks += 1
  const overMemory = listen === undefined
  return createNet(
    {
      keys: generateKeys(secureRandom),
      policy,
      clock: systemClock,
      log,
      metrics: netMetrics(options.registry ?? new Registry()),
      agent: 'p2p-foundation/test',
      ...(overMemory ? { transports: [memory()] } : {}),
      ...deps,
    },
    netConfig.parse({
      listen: listen ?? [`/memory/${process.pid}-${networks}`],
      ...config,
    }),
  )
}

let networks = 0
