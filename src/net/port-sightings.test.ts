import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { silentLog } from '../base/index.ts'
import { PortSightings, type PortSightingsDeps } from './port-sightings.ts'

const PEER = signerOf(2).peer

/** Whom a node knocks at that a witness connected to, from `at`, who announces `announced`. */
async function knocked(at: readonly string[], announced: readonly string[]) {
  const found: string[] = []
  const witnesses = at.map((address) => {
    return {
      status: 'open',
      direction: 'inbound',
      remotePeer: peerIdFromString(PEER),
      remoteAddr: multiaddr(address),
    } as unknown as Connection
  })
  const facility = { state: 'active' } as const
  const sightings = new PortSightings({
    libp2p: { getConnections: () => witnesses, addEventListener: () => undefined },
    punching: {
      hub: undefined,
      tcp: { facility, punch: async (to: Multiaddr) => void found.push(to.toString()) },
    },
    clock: new FakeClock(),
    log: silentLog,
    scope: 'global',
    dial: async () => Promise.reject(new TypeError('none')),
    addressesOf: async () => announced,
  } as unknown as PortSightingsDeps)
  await sightings.show(new AbortController().signal)
  return found
}

test('a witness is asked where it is, and sends us to nobody else', async () => {
  const own = '/ip4/5.9.77.100/tcp/9000'
  const victim = '/ip4/8.8.4.4/tcp/9000'
  const at = ['/ip4/5.9.77.100/udp/40000/quic-v1']
  assert.deepEqual(await knocked(at, [victim, own]), [`${own}/p2p/${PEER}`])
  assert.deepEqual(await knocked(at, [victim]), [])
})

test('a witness of both families is shown the port of either', async () => {
  const own = ['/ip4/5.9.77.100/tcp/9000', '/ip6/2a01:4f8:77::10/tcp/9000']
  const at = ['/ip6/2a01:4f8:77::10/udp/40000/quic-v1', '/ip4/5.9.77.100/udp/40000/quic-v1']
  assert.deepEqual(
    (await knocked(at, own)).toSorted(),
    own.map((address) => `${address}/p2p/${PEER}`),
  )
})
