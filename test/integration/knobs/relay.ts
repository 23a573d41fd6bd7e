/** What the knobs of relaying, of asking to be dialled and of hole punching change. */

import { setTimeout as wait } from 'node:timers/promises'
import { silentLog } from '../../../src/base/index.ts'
import { DIAL_REQUEST_PROTOCOL } from '../../../src/net/autonat-protocol.ts'
import { DCUTR_PROTOCOL } from '../../../src/net/dcutr-protocol.ts'
import { RelayAccounts } from '../../../src/net/relay-accounts.ts'
import { RelayClient } from '../../../src/net/relay-client.ts'
import { HOP_PROTOCOL } from '../../../src/net/relay-protocol.ts'
import { signerOf } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { natProxy } from '../../support/nat-proxy.ts'
import { askReservation } from '../../support/relay-asker.ts'
import { testHost } from '../../support/testnet.ts'
import { type Observations, type Observe, quiet } from './observation.ts'

const LISTEN = ['/ip4/127.0.0.1/tcp/0']
const MIB = 1_048_576
const client = (seed: number) => ({ peer: signerOf(seed).peer, ip: `8.${seed}.0.1` })

/** How many of five reservations are given. */
const reservations: Observe = ({ net }, made) => {
  const accounts = new RelayAccounts(net, new FakeClock())
  made()
  return [1, 2, 3, 4, 5].map((seed) => typeof accounts.reserve(client(seed)))
}

/** How many of three circuits are opened. */
const circuits: Observe = ({ net }, made) => {
  const accounts = new RelayAccounts(net, new FakeClock())
  made()
  return [1, 2, 3].map((seed) => typeof accounts.open([client(seed), client(seed + 10)]))
}

/** How much of a MiB in pieces passes. */
const passed: Observe = ({ net }, made) => {
  const accounts = new RelayAccounts(net, new FakeClock())
  made()
  const circuit = accounts.open([client(1), client(2)])
  if (typeof circuit === 'string') return circuit
  let bytes = 0
  while (bytes < MIB && circuit.charge(4_096) === undefined) bytes += 4_096
  return bytes
}

/** What a relay says that it lets pass. */
const limitsTold: Observe = async ({ net: { listen: _, ...net } }) => {
  const relay = await testHost({ listen: LISTEN, config: { ...net, relayServer: 'always' } })
  await relay.start()
  const { limit } = await askReservation(String(relay.addresses()[0]))
  await relay.stop()
  return limit
}

/** Whether others are offered a protocol. */
function offers(protocol: string): Observe {
  return async ({ net: { listen: _, ...net } }) => {
    const host = await testHost({ listen: LISTEN, config: net })
    const other = await testHost({ listen: LISTEN })
    await Promise.all([host.start(), other.start()])
    const identified = Promise.withResolvers<readonly string[]>()
    other.events.on('identified', ({ protocols }) => identified.resolve(protocols))
    await other.connect(String(host.addresses()[0]))
    const protocols = await identified.promise
    await Promise.all([host.stop(), other.stop()])
    return protocols.includes(protocol)
  }
}

/** Whether a node behind a NAT is reached through the relay that it is connected to. */
const relayed: Observe = async ({ net: { listen: _, ...net } }) => {
  const deps = { reachScope: 'loopback' } as const
  const relay = await testHost({ listen: LISTEN, config: { relayServer: 'always' }, deps })
  const host = await testHost({ listen: LISTEN, config: net, deps })
  await Promise.all([relay.start(), host.start()])
  const port = Number(/tcp\/(\d+)/.exec(String(relay.addresses()))?.[1])
  await using nat = await natProxy(port, '127.0.0.9')
  await host.connect(`/ip4/127.0.0.1/tcp/${nat.port}/p2p/${relay.self}`)
  const until = performance.now() + 3_000
  const isReserved = () => host.reachability().relays.length > 0
  while (!isReserved() && performance.now() < until) await wait(50)
  const found = isReserved()
  await Promise.all([relay.stop(), host.stop()])
  return found
}

/** Who is asked to relay. */
const asked: Observe = async ({ net }, made) => {
  const targets: string[] = []
  const keeper = new RelayClient(
    {
      libp2p: { getConnections: () => [], addEventListener: () => undefined } as never,
      self: signerOf(1).peer,
      clock: new FakeClock(),
      log: silentLog,
      connect: async (target) => {
        targets.push(target)
        throw new RangeError('nobody is there')
      },
      changed: () => undefined,
    },
    net,
  )
  made()
  keeper.want(true)
  keeper.start()
  await quiet()
  await keeper.stop()
  return targets
}

export const relayObservations: Observations = {
  'network.relays': {
    value: [`/ip4/192.0.2.1/tcp/9000/p2p/${signerOf(2).peer}`],
    observe: asked,
  },
  'network.relay_client': { value: false, observe: relayed },
  'network.relay_server': { value: 'always', observe: offers(HOP_PROTOCOL) },
  'network.relay_reservations_max': { value: 2, observe: reservations },
  'network.relay_circuits_max': { value: 1, observe: circuits },
  'network.relay_circuit_bytes_max': { value: 65_536, observe: limitsTold },
  'network.relay_circuit_timeout': { value: 60, observe: limitsTold },
  'network.relay_hourly_bytes_max': { value: MIB, observe: passed },
  'network.autonat': { value: false, observe: offers(DIAL_REQUEST_PROTOCOL) },
  'network.hole_punching': { value: false, observe: offers(DCUTR_PROTOCOL) },
}
