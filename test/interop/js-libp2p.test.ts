/** A plain js-libp2p node, with no code of ours, against our host: over QUIC and over TCP and Noise. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { IdentifyResult } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { peerId } from '../../src/identity/index.ts'
import type { Protocol } from '../../src/net/index.ts'
import { testHost } from '../support/testnet.ts'

const PATHS = [
  ['QUIC over IPv4', '/ip4/127.0.0.1/udp/0/quic-v1'],
  ['QUIC over IPv6', '/ip6/::1/udp/0/quic-v1'],
  ['TCP and Noise over IPv4', '/ip4/127.0.0.1/tcp/0'],
  ['TCP and Noise over IPv6', '/ip6/::1/tcp/0'],
] as const

const echo: Protocol = {
  id: '/test/echo/1.0.0',
  framing: 'varint',
  frameBytesMax: 4_194_304,
  inboundMax: 8,
  outboundMax: 8,
}

for (const [name, listen] of PATHS) {
  test(`${name}: a plain node dials us, pings us and learns what we speak`, async () => {
    await using ours = await started(listen)
    await using theirs = await plain(listen)
    await ours.host.handle(echo, async () => {})
    const identified = identifyResult(theirs.node)
    const target = multiaddr(ours.host.addresses()[0] ?? '')
    await theirs.node.dial(target)
    assert.ok((await theirs.node.services.ping.ping(target)) < 1_000)
    const result = await identified
    assert.equal(result.peerId.toString(), ours.host.self)
    assert.equal(result.agentVersion, 'p2p-foundation/test')
    for (const protocol of [echo.id, '/ipfs/ping/1.0.0', '/ipfs/id/1.0.0']) {
      assert.ok(result.protocols.includes(protocol), protocol)
    }
    assert.ok(result.listenAddrs.length > 0 && result.signedPeerRecord !== undefined)
  })

  test(`${name}: we dial a plain node, ping it, and pass 4 MiB through its echo`, async () => {
    await using ours = await started(listen)
    await using theirs = await plain(listen)
    await theirs.node.handle(echo.id, async (stream) => {
      for await (const bytes of stream) {
        if (!stream.send(bytes)) await new Promise((go) => stream.addEventListener('drain', go))
      }
      await stream.close()
    })
    const address = theirs.node.getMultiaddrs()[0]?.toString() ?? ''
    const peer = await ours.host.connect(address)
    assert.equal(peer, peerId(theirs.node.peerId.toString()))
    assert.ok((await ours.host.ping(peer)) < 1_000)
    const channel = await ours.host.open(peer, echo)
    const sent = crypto.getRandomValues(new Uint8Array(65_536))
    const frame = Buffer.concat(Array.from({ length: 64 }, () => sent))
    const writing = channel.write(frame)
    const back = await channel.read()
    await writing
    assert.ok(back !== undefined && frame.equals(back))
    await channel.close()
    assert.equal(await channel.read(), undefined)
  })
}

async function started(listen: string) {
  const host = await testHost({ listen: [listen] })
  await host.start()
  return { host, [Symbol.asyncDispose]: () => host.stop() }
}

async function plain(listen: string) {
  const node = await createLibp2p({
    addresses: { listen: [listen] },
    transports: [quic(), tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
  })
  return {
    node,
    async [Symbol.asyncDispose]() {
      await node.stop()
    },
  }
}

function identifyResult(node: Awaited<ReturnType<typeof plain>>['node']): Promise<IdentifyResult> {
  return new Promise((resolve) =>
    node.addEventListener('peer:identify', ({ detail }) => resolve(detail), { once: true }),
  )
}
