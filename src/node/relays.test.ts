import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Emitter, silentLog } from '../base/index.ts'
import type { CallOptions, NetEvents } from '../net/index.ts'
import { RELAY_NAME, Relays, type RelaysDeps } from './relays.ts'

function setup(provide: (options: CallOptions) => Promise<unknown>) {
  const clock = new FakeClock()
  const told: string[] = []
  const events = new Emitter<NetEvents>(() => undefined)
  const relays = new Relays({
    host: {
      events,
      reach: { findRelaysWith: () => undefined },
      reachability: () => ({ verdict: 'public', relaying: { serving: true } }),
    },
    dht: {
      provide: async (name: string, options: CallOptions) => {
        told.push(name)
        await provide(options)
      },
      unprovide: () => undefined,
    },
    rpc: { renew: () => undefined },
    sessions: null,
    clock,
    log: silentLog,
  } as unknown as RelaysDeps)
  return { clock, told, relays }
}

test('what the DHT did not take is told it again', async () => {
  let failures = 2
  const { clock, told, relays } = setup(async () => {
    failures -= 1
    if (failures >= 0) throw new TypeError('nobody is there')
  })
  await relays.start()
  await clock.advance(60_000)
  await clock.advance(60_000)
  await clock.advance(600_000)
  assert.deepEqual(told, [RELAY_NAME, RELAY_NAME, RELAY_NAME])
  await relays.stop()
  assert.equal(clock.waiting, 0)
})

test('stop() waits for no answer of the DHT', async () => {
  const { clock, relays } = setup(({ signal }) => {
    return new Promise((_, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason as Error)),
    )
  })
  await relays.start()
  await clock.advance(0)
  await relays.stop()
  await clock.advance(0)
  assert.equal(clock.waiting, 0)
})
