/**
 * How a node finds out whether others reach it, over loopback: here an address of this machine
 * stands for one that everybody could dial, and a proxy that changes the sender's for a NAT.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAll, stopAll } from '../../src/base/index.ts'
import type { Libp2pHost, NetConfig } from '../../src/net/index.ts'
import { natProxy } from '../support/nat-proxy.ts'
import { eventually } from '../support/nodes.ts'
import { testHost } from '../support/testnet.ts'

const LISTEN = ['/ip4/127.0.0.1/tcp/0']

async function hosts(...configs: readonly Partial<NetConfig>[]) {
  const deps = { reachScope: 'loopback' } as const
  const all: Libp2pHost[] = []
  for (const config of configs) all.push(await testHost({ listen: LISTEN, config, deps }))
  await startAll(all)
  return { all, [Symbol.asyncDispose]: () => stopAll(all) }
}

test('who is dialled back is public, says by whom, and relays for others', async () => {
  await using net = await hosts({}, {})
  const [a, b] = net.all
  assert.ok(a !== undefined && b !== undefined)
  assert.equal(a.reachability().verdict, 'unknown')
  await a.connect(String(b.addresses()[0]))
  const found = await eventually(async () => {
    return a.reachability().verdict === 'public' ? a.reachability() : undefined
  })
  const [address] = found.addresses
  assert.equal(address?.evidence[0]?.by, b.self)
  assert.match(found.reason, /1 of 1 wanted networks reached/)
  assert.equal(found.nat.found, false)
  await eventually(async () => (a.reachability().relaying.serving ? true : undefined))
  await eventually(async () => (b.reachability().verdict === 'public' ? true : undefined))
})

test('who is behind a NAT is private, keeps a relay, and announces it', async () => {
  await using net = await hosts({ relayServer: 'always' }, { holePunching: false })
  const [relay, host] = net.all
  assert.ok(relay !== undefined && host !== undefined)
  const port = Number(/tcp\/(\d+)/.exec(String(relay.addresses()))?.[1])
  await using nat = await natProxy(port, '127.0.0.9')
  const said: string[] = []
  host.events.on('reachability', ({ verdict }) => said.push(verdict))
  await host.connect(`/ip4/127.0.0.1/tcp/${nat.port}/p2p/${relay.self}`)
  await eventually(async () => {
    return host.addresses().some((text) => text.includes('/p2p-circuit')) ? true : undefined
  })
  const { nat: seen } = host.reachability()
  assert.deepEqual([seen.found, seen.ip], [true, '127.0.0.9'])
  assert.equal(said.at(-1), 'private')
})

test('who is dialled where a router forwards says so, and elsewhere not', async () => {
  await using net = await hosts({ autonat: false }, { autonat: false }, { autonat: false })
  const [host, outside, neighbour] = net.all
  assert.ok(host !== undefined && outside !== undefined && neighbour !== undefined)
  const port = Number(/tcp\/(\d+)/.exec(String(host.addresses()))?.[1])
  await using router = await natProxy(port, '127.0.0.9')
  host.reach.mapped([`/ip4/127.0.0.1/tcp/${router.port}`])
  await outside.connect(`/ip4/127.0.0.1/tcp/${router.port}/p2p/${host.self}`)
  await neighbour.connect(String(host.addresses()[0]))
  const pathFrom = (who: Libp2pHost) => {
    return host.connections().find(({ peer }) => peer === who.self)?.path
  }
  await eventually(async () => (pathFrom(outside) === 'mapped' ? true : undefined))
  assert.equal(pathFrom(neighbour), 'direct')
  // Who dialled an address cannot know what stands behind it.
  assert.equal(outside.connections().find(({ peer }) => peer === host.self)?.path, 'direct')
})
