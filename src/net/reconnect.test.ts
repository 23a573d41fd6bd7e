import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { NetError } from './errors.ts'
import type { ConnectionInfo } from './host.ts'
import { type NetworkChange, NetworkWatch } from './reconnect.ts'

const [ALIVE, DEAD, FOREIGN] = [signerOf(1).peer, signerOf(2).peer, signerOf(3).peer]

/** A watch over three connections: one answers pings, one is silent, one does not know them. */
async function setup() {
  const clock = new FakeClock()
  const state = { addresses: ['192.0.2.7'] as readonly string[], fails: false }
  const dropped: PeerId[] = []
  const pinged: PeerId[] = []
  const host = {
    connections: () => [ALIVE, DEAD, FOREIGN].map((peer) => ({ peer }) as ConnectionInfo),
    ping: async (peer: PeerId) => {
      pinged.push(peer)
      if (peer === DEAD) await new Promise(() => undefined)
      if (peer === FOREIGN) throw NetError.PING_FAILED({ peer, reason: 'it does not speak it' })
      return 1
    },
    disconnect: async (peer: PeerId) => {
      dropped.push(peer)
    },
  }
  const addresses = () => {
    if (state.fails) throw new TypeError('no such file')
    return state.addresses
  }
  const watch = new NetworkWatch({ host, addresses, clock, log: silentLog })
  const changes: NetworkChange[] = []
  watch.events.on('changed', (change) => changes.push(change))
  await watch.start()
  return { clock, state, watch, changes, dropped, pinged }
}

test('nothing is told and nobody pinged while nothing changes', async () => {
  const { clock, state, watch, changes, pinged } = await setup()
  await clock.advance(60_000)
  state.fails = true
  await clock.advance(60_000)
  assert.deepEqual([changes, pinged], [[], []])
  await watch.stop()
  assert.equal(clock.waiting, 0)
})

test('another address is told within 2 s, and only dead connections are closed, 3 s later', async () => {
  const { clock, state, watch, changes, dropped, pinged } = await setup()
  state.addresses = ['198.51.100.9', '192.0.2.7']
  await clock.advance(2_000)
  state.addresses = ['198.51.100.9']
  await clock.advance(2_000)
  assert.deepEqual(changes, [
    { kind: 'addresses', appeared: ['198.51.100.9'], vanished: [] },
    { kind: 'addresses', appeared: [], vanished: ['192.0.2.7'] },
  ])
  assert.equal(pinged.length, 6)
  await clock.advance(3_000)
  assert.deepEqual([...new Set(dropped)], [DEAD])
  await watch.stop()
})

test('time that jumped is told as sleep', async () => {
  const { clock, watch, changes } = await setup()
  await clock.advance(4_000)
  const now = clock.now.bind(clock)
  clock.now = () => now() + 3_600_000
  await clock.advance(2_000)
  assert.deepEqual(changes, [{ kind: 'woke', appeared: [], vanished: [] }])
  await watch.stop()
})
