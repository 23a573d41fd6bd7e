/** The layers `net` and `rpc` without a node: two hosts, of which each asks the other. */

import assert from 'node:assert/strict'
import { startAll, stopAll } from 'p2p-foundation/net'
import { RpcClient, RpcServer, rpcConfig, rpcMetrics } from 'p2p-foundation/rpc'
import { makeHost, meet } from './hosts.ts'

async function asker(name: string) {
  const made = await makeHost()
  const deps = { ...made, metrics: rpcMetrics(made.registry) }
  const server = new RpcServer(deps, rpcConfig.parse({}))
  const client = new RpcClient(deps, rpcConfig.parse({}))
  server.handle('example.name', async (_payload, { peer }) => `${name}, asked by ${peer}`)
  return { ...made, client, services: [made.host, server, client] }
}

const [ada, bob] = [await asker('ada'), await asker('bob')]
const services = [...ada.services, ...bob.services]
try {
  await startAll(services)
  await meet(ada, bob)
  const fromAda = await bob.client.call(ada.host.self, 'example.name', null)
  const fromBob = await ada.client.call(bob.host.self, 'example.name', null)
  console.log(fromAda, '|', fromBob)
  assert.equal(fromAda, `ada, asked by ${bob.host.self}`)
  assert.equal(fromBob, `bob, asked by ${ada.host.self}`)
} finally {
  await stopAll(services)
}
