import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DialTransportOptions } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { type RelayComponents, RelayTransport } from './relay-transport.ts'

const [RELAY, PEER] = [signerOf(1).peer, signerOf(2).peer]
const THROUGH = multiaddr(`/ip4/192.0.2.1/tcp/9000/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`)

test('stop() gives up the dials of relays', async () => {
  const clock = new FakeClock()
  const dialled: AbortSignal[] = []
  const components = {
    registrar: { unhandle: async () => undefined },
    connectionManager: { getConnections: () => [] },
    transportManager: {
      dial: (_: unknown, { signal }: { signal: AbortSignal }) => {
        dialled.push(signal)
        const { promise, reject } = Promise.withResolvers<never>()
        signal.addEventListener('abort', () => reject(signal.reason as Error))
        return promise
      },
    },
  } as unknown as RelayComponents
  const deps = { clock, negotiationTimeoutMs: 10_000, isOurRelay: () => false }
  const transport = new RelayTransport(components, { ...deps, watch: (upgrader) => upgrader })
  transport.start()
  const { signal } = new AbortController()
  const dial = transport.dial(THROUGH, { signal } as DialTransportOptions)
  const failed = assert.rejects(dial, /stopping/)
  await clock.advance(0)
  assert.equal(dialled.length, 1)
  await transport.stop()
  await failed
  assert.equal(clock.waiting, 0)
})
