/** Circuits over pairs of streams in memory: how they end. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { type AbstractStream, streamPair } from '@libp2p/utils'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { splice } from './relay-splice.ts'

async function circuit() {
  const clock = new FakeClock()
  const [[caller, near], [far, called]] = [await streamPair(), await streamPair()]
  const limits = { bytesMax: 1_000, timeoutMs: 60_000, clock, charge: () => undefined }
  return { clock, caller, near, far, called, run: () => splice(near, far, limits) }
}

/** As a muxer ends its streams whose connection ended without an error. */
function loseConnection(stream: Stream): void {
  ;(stream as unknown as AbstractStream).onTransportClosed()
}

test('a goodbye of either side passes, and both end the circuit', async () => {
  const { clock, caller, called, run } = await circuit()
  const ended = run()
  await caller.close()
  await called.close()
  await ended
  assert.equal(clock.waiting, 0)
})

test('the circuit ends with the connection of one side, and the other side is told', async () => {
  for (const side of ['near', 'far'] as const) {
    const { clock, run, ...streams } = await circuit()
    const ended = run()
    loseConnection(streams[side])
    await ended
    const other = side === 'near' ? streams.far : streams.near
    assert.equal(other.status, 'aborted')
    assert.equal(clock.waiting, 0)
  }
})

test('a stream that ended before the circuit began ends it at once', async () => {
  const { clock, near, called, run } = await circuit()
  near.abort(new Error('gone'))
  await run()
  assert.notEqual(called.status, 'closed')
  assert.equal(clock.waiting, 0)
})

test('a circuit ends at its time', async () => {
  const { clock, near, far, run } = await circuit()
  const ended = run()
  await clock.advance(60_000)
  await ended
  assert.deepEqual([near.status, far.status], ['aborted', 'aborted'])
})
