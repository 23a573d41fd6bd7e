/**
 * From a relayed connection to a direct one, over loopback: there is no NAT here, so what is shown
 * is the exchange, from which ports it goes, and that the relay is left. NATs are in `test/lab`.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAll, stopAll } from '../../src/base/index.ts'
import type { Libp2pHost, NetConfig } from '../../src/net/index.ts'
import { eventually } from '../support/nodes.ts'
import { testHost } from '../support/testnet.ts'

const TCP = '/ip4/127.0.0.1/tcp/0'
const QUIC = '/ip4/127.0.0.1/udp/0/quic-v1'
/** Announced in place of where a node is, so that nobody dials it but by what DCUtR tells. */
const NOWHERE = ['/ip4/192.0.2.1/tcp/9000']

interface Behind {
  readonly listen: readonly string[]
  readonly config?: Partial<NetConfig>
}

async function behindRelay(behind: Behind) {
  const deps = { reachScope: 'loopback' } as const
  const relay = await testHost({ listen: [TCP, QUIC], config: { relayServer: 'always' }, deps })
  await startAll([relay])
  const relays = relay.addresses().filter((text) => {
    return behind.listen.some((own) => own.includes('/quic-v1') === text.includes('/quic-v1'))
  })
  const hosts: Libp2pHost[] = []
  for (let i = 0; i < 2; i += 1) {
    const config = { relays, announce: NOWHERE, autonat: false, ...behind.config }
    hosts.push(await testHost({ listen: behind.listen, config, deps }))
  }
  await startAll(hosts)
  const [a, b] = hosts
  assert.ok(a !== undefined && b !== undefined)
  return { relay, relays, a, b, [Symbol.asyncDispose]: () => stopAll([relay, ...hosts]) }
}

test('over QUIC both leave the relay for a connection from their listening ports', async () => {
  await using net = await behindRelay({ listen: [QUIC], config: { hub: 'always' } })
  const { relay, relays, a, b } = net
  for (const host of [a, b]) host.reach.wantRelays(true)
  await eventually(async () => (b.reachability().relays.length > 0 ? true : undefined))
  await eventually(async () => (a.reachability().observed.length > 0 ? true : undefined))
  await eventually(async () => (b.reachability().observed.length > 0 ? true : undefined))
  await a.connect(`${relays[0]}/p2p-circuit/p2p/${b.self}`)
  await eventually(async () => (pathTo(a, b) === 'punched' ? true : undefined))
  await eventually(async () => (pathTo(b, a) === 'punched' ? true : undefined))
  const attempt = a.reachability().attempts.at(-1)
  assert.equal(attempt?.kind, 'quic')
  assert.equal(attempt.outcome, 'connected')
  const direct = b.connections().find(({ peer, path }) => peer === a.self && path === 'punched')
  const port = a.reachability().observed[0]?.port
  assert.equal(direct?.address, `/ip4/127.0.0.1/udp/${port}/quic-v1`, 'from the listening port')
  await eventually(async () => (relay.reachability().relaying.circuits === 0 ? true : undefined))
})

test('over TCP both leave the relay for a connection from their listening ports', async () => {
  await using net = await behindRelay({ listen: [TCP] })
  const { relay, relays, a, b } = net
  const { tcp } = a.reachability().punching
  if (tcp.state !== 'active') {
    assert.ok(tcp.reason !== undefined, 'a host that cannot says why')
    return
  }
  b.reach.wantRelays(true)
  await eventually(async () => (b.reachability().relays.length > 0 ? true : undefined))
  await a.connect(String(relays[0]))
  for (const host of [a, b]) await host.reach.showPorts()
  await eventually(async () => (a.reachability().observed.length > 0 ? true : undefined))
  await eventually(async () => (b.reachability().observed.length > 0 ? true : undefined))
  await a.connect(`${relays[0]}/p2p-circuit/p2p/${b.self}`)
  await eventually(async () => (pathTo(a, b) === 'punched' ? true : undefined))
  await eventually(async () => (pathTo(b, a) === 'punched' ? true : undefined))
  assert.equal(b.reachability().attempts.at(-1)?.kind, 'tcp')
  await eventually(async () => (relay.reachability().relaying.circuits === 0 ? true : undefined))
})

/** The best path that a host has to another. */
function pathTo(from: Libp2pHost, to: Libp2pHost): string | undefined {
  const paths = from.connections().filter(({ peer }) => peer === to.self)
  return paths.find(({ path }) => path !== 'relayed')?.path ?? paths[0]?.path
}
