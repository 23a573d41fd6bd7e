import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { race, seededRandom, silentLog } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { Liveness } from './liveness.ts'

const peer = generateKeys(seededRandom('liveness')).signer.peer

/** One call that waits for an answer, of a peer that answers no ping. */
function setup() {
  const clock = new FakeClock(1_000)
  const never = new Promise<number>(() => undefined)
  const ping = (_peer: unknown, { signal }: { signal?: AbortSignal } = {}) =>
    signal === undefined ? never : race(never, signal)
  const liveness = new Liveness({ clock, log: silentLog, host: { ping } })
  const call = { bytes: 0, reasons: [] as string[] }
  const unwatch = liveness.watch(peer, {
    heard: () => call.bytes,
    lost: (reason) => {
      call.reasons.push(reason.message)
    },
  })
  return { clock, call, unwatch }
}

test('a peer from which nothing comes, not even to a ping, is given up', async () => {
  const { clock, call, unwatch } = setup()
  for (let i = 0; i < 12; i += 1) await clock.advance(500)
  assert.match(call.reasons.join(), /3000|ping/)
  unwatch()
})

test('bytes that arrive while a ping waits behind them are a sign of life', async () => {
  const { clock, call, unwatch } = setup()
  for (let i = 0; i < 40; i += 1) {
    await clock.advance(500)
    if (i % 4 === 0) call.bytes += 1_000
  }
  assert.deepEqual(call.reasons, [])
  for (let i = 0; i < 14; i += 1) await clock.advance(500)
  assert.ok(call.reasons.length > 0, 'and then no more')
  unwatch()
})
