/**
 * Idle sockets: a stock js-libp2p listener has ten places for connections that are not encrypted
 * yet, and keeps each for ten seconds. Fifteen sockets that say nothing, from three addresses, shut
 * out everybody else. Ours has more places, few for each address, and cuts the silent ones off.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { testHost } from '../support/testnet.ts'

const SOURCES = ['127.0.0.2', '127.0.0.3', '127.0.0.4']
const SOCKETS_EACH = 5
const HONEST = 3
const DIAL_MS = 2_000

test('1: fifteen idle sockets shut everybody out of stock', async (t) => {
  const stock = await plainPeer(['/ip4/127.0.0.1/tcp/0'])
  const sockets: Socket[] = []
  try {
    const address = stock.getMultiaddrs()[0]?.toString() ?? ''
    assert.equal(await reached(address), HONEST, 'stock without an attacker')
    sockets.push(...(await occupy(address)))
    const found = await reached(address)
    t.diagnostic(`stock lets in ${found} of ${HONEST}`)
    assert.equal(found, 0)
  } finally {
    for (const socket of sockets) socket.destroy()
    await stock.stop()
  }
})

test('1: the same sockets shut nobody out of ours', async () => {
  const host = await testHost({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  const sockets: Socket[] = []
  try {
    await host.start()
    const address = host.addresses()[0] ?? ''
    sockets.push(...(await occupy(address)))
    assert.equal(await reached(address), HONEST)
  } finally {
    for (const socket of sockets) socket.destroy()
    await host.stop()
  }
})

/** Opens the sockets, says nothing on any of them. */
async function occupy(address: string): Promise<Socket[]> {
  const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1])
  const sockets = SOURCES.flatMap((localAddress) => {
    return Array.from({ length: SOCKETS_EACH }, () => {
      return connect({ host: '127.0.0.1', port, localAddress }).on('error', () => undefined)
    })
  })
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  return sockets
}

/** How many honest peers, one after the other, get in. */
async function reached(address: string): Promise<number> {
  let count = 0
  for (let i = 0; i < HONEST; i += 1) {
    const peer = await plainPeer([])
    try {
      await peer.dial(multiaddr(address), { signal: AbortSignal.timeout(DIAL_MS) })
      count += 1
    } catch {
      // Not let in, or not in time.
    } finally {
      await peer.stop()
    }
  }
  return count
}

function plainPeer(listen: string[]) {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  })
}
