/** A node of one version of IP: what it listens on and whom it dials, over real sockets. */

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { NetworkConfig, type NodeOptions, P2PConfig, resolveOptions } from '../../src/node/index.ts'
import { coded } from '../support/expect.ts'
import { addressOf, testNode } from '../support/nodes.ts'

const ipv6 = (...listen: string[]) =>
  P2PConfig.builder()
    .network(NetworkConfig.ipv6Only())
    .network(NetworkConfig.listenOn(...listen))
    .build()

test('IPv6 only listens on IPv6 alone, also where the address is that of every interface', async () => {
  await using six = await testNode(ipv6('/ip6/::/tcp/0', '/ip6/::/udp/0/quic-v1'))
  const { addresses } = six.node
  assert.ok(addresses.length > 0 && addresses.every((address) => address.startsWith('/ip6/')))
  const port = Number(/\/tcp\/(\d+)/.exec(addressOf(six, 'tcp'))?.[1])
  const refused = await new Promise<unknown>((resolve) => {
    connect({ host: '127.0.0.1', port }, () => resolve('connected')).once('error', resolve)
  })
  assert.equal((refused as { code?: string }).code, 'ECONNREFUSED')
})

test('IPv6 only dials IPv6 alone, by TCP and QUIC, and says so of IPv4', async () => {
  const both = ['tcp', 'udp'] as const
  const listen = both.flatMap((kind) =>
    ['/ip4/127.0.0.1', '/ip6/::1'].map(
      (ip) => `${ip}/${kind}/0${kind === 'udp' ? '/quic-v1' : ''}`,
    ),
  )
  await using other = await testNode({ net: { listen } })
  for (const address of other.node.addresses) {
    // Each by a node of its own: one that was here before may be connected already.
    await using six = await testNode({ net: { family: 'ip6', listen: [] } })
    const dialled = six.node.connect(address)
    if (address.startsWith('/ip4/')) {
      await assert.rejects(dialled, /this node speaks IPv6 only/)
      continue
    }
    assert.equal(await dialled, other.node.peerId)
    const [found] = (await six.node.peers()).flatMap(({ connections }) => connections)
    assert.ok(found !== undefined && address.startsWith(found.address), `${address} was dialled`)
  }
  assert.equal(other.node.addresses.length, 4)
})

test('the defaults of IPv6 only are those of both without IPv4; an IPv4 address is refused', () => {
  const { net, bootstrap } = resolveOptions(NetworkConfig.ipv6Only(), {})
  assert.deepEqual([net.family, bootstrap.mdns], ['ip6', false])
  const wrong: NodeOptions = { net: { family: 'ip6', listen: ['/ip4/127.0.0.1/tcp/0'] } }
  assert.throws(() => resolveOptions(wrong, {}), coded('NODE_CONFIG_INVALID'))
})
