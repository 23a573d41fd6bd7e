/** A program of somebody who installed the package: it goes through every door and uses a thing. */

import assert from 'node:assert/strict'
import { CodedError, createNode } from 'p2p-foundation'
import { ControlClient } from 'p2p-foundation/client'
import { dhtConfig } from 'p2p-foundation/dht'
import { peerId } from 'p2p-foundation/identity'
import { Agent } from 'p2p-foundation/launcher'
import { mcpConfig } from 'p2p-foundation/mcp'
import { netConfig } from 'p2p-foundation/net'
import { pubsubConfig } from 'p2p-foundation/pubsub'
import { rpcConfig } from 'p2p-foundation/rpc'
import { testnet } from 'p2p-foundation/testing'
import { decodeCbor, encodeCbor } from 'p2p-foundation/wire'

assert.throws(() => peerId('nobody'), CodedError)
assert.deepEqual(decodeCbor(encodeCbor([1, 'two']), 'pair', 64), [1, 'two'])
for (const config of [dhtConfig, mcpConfig, netConfig, pubsubConfig, rpcConfig]) {
  assert.throws(() => config.parse({ unheardOf: 1 }))
}
assert.equal(ControlClient.name, 'ControlClient')
assert.throws(() => new Agent('', 0, ''), CodedError)

const [, , dataDir = ''] = process.argv
await using node = await createNode({ preset: 'test', dataDir })
assert.equal(peerId(node.peerId), node.peerId)

await using net = await testnet(2)
assert.equal(net.nodes.length, 2)
