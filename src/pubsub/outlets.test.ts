import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { silentLog } from '../base/index.ts'
import { kindOf, Outlets } from './outlets.ts'
import type { FrameKind } from './peer-queue.ts'

const KIB = 1_024

/** An outlet to `p` over a stream that takes frames while it is not `full`. */
function setup({ peerQueueMax = 4, peerQueueBytesMax = 100 * KIB } = {}) {
  const slow: string[] = []
  const sent: number[] = []
  const errors: Error[] = []
  let dropped = 0
  const outlets = new Outlets(
    {
      log: silentLog,
      metrics: {
        slowDropped: {
          add(amount = 1) {
            dropped += amount
          },
        },
      },
      slow: (peer) => void slow.push(peer),
    },
    { peerQueueMax, peerQueueBytesMax },
  )
  const drained: (() => void)[] = []
  const rawStream = {
    writableNeedsDrain: false,
    send(frame: { subarray(): Uint8Array }) {
      sent.push(frame.subarray()[0] ?? 0)
      return true
    },
    abort: (error: Error) => void errors.push(error),
    addEventListener: (_: 'drain', listener: () => void) => void drained.push(listener),
  }
  const stream = { rawStream, pushPrefixed: () => assert.fail('not replaced') }
  outlets.attach('p', stream)
  const push = (number: number, kind: FrameKind, size = 1) => {
    const frame = new Uint8Array(size)
    frame[0] = number
    const replaced = stream.pushPrefixed as (frame: Uint8Array) => void
    outlets.during(
      () => kind,
      () => replaced(frame),
    )
  }
  const drain = () => {
    rawStream.writableNeedsDrain = false
    for (const listener of drained) listener()
  }
  return { push, drain, rawStream, sent, slow, errors, dropped: () => dropped }
}

test('a stream that takes frames gets them at once', () => {
  const { push, sent, slow } = setup()
  for (const number of [1, 2, 3, 4, 5, 6]) push(number, 'passing')
  assert.deepEqual([sent, slow], [[1, 2, 3, 4, 5, 6], []])
})

test('frames wait while the stream is full, and leave in order when it is not', () => {
  const { push, sent, drain, rawStream, slow } = setup()
  rawStream.writableNeedsDrain = true
  push(1, 'passing')
  push(2, 'own')
  assert.deepEqual(sent, [])
  drain()
  push(3, 'control')
  assert.deepEqual([sent, slow], [[1, 2, 3], []])
})

test('nothing overtakes what waits', () => {
  const { push, sent, drain, rawStream } = setup()
  rawStream.writableNeedsDrain = true
  push(1, 'passing')
  // The stream takes again, and has not said so yet.
  rawStream.writableNeedsDrain = false
  push(2, 'control')
  assert.deepEqual(sent, [])
  drain()
  assert.deepEqual(sent, [1, 2])
})

test('what a slow peer has no room for is dropped, and its stream stays', () => {
  const { push, sent, drain, rawStream, slow, errors, dropped } = setup()
  rawStream.writableNeedsDrain = true
  for (let i = 0; i < 6; i += 1) push(10 + i, 'passing')
  push(1, 'own')
  push(2, 'own', 99 * KIB)
  assert.equal(dropped(), 4)
  assert.deepEqual([slow, errors], [['p', 'p', 'p', 'p'], []])
  drain()
  assert.deepEqual(sent, [14, 15, 1, 2])
})

test('a peer for which only control waits, and too much of it, loses its stream', () => {
  const { push, rawStream, errors } = setup()
  rawStream.writableNeedsDrain = true
  for (let i = 0; i < 5; i += 1) push(i, 'control')
  assert.equal(errors.length, 1)
  assert.ok(coded('PUBSUB_PEER_STUCK')(errors[0]))
})

test('a stream that ends while frames wait harms nobody', () => {
  const { push, drain, rawStream } = setup()
  rawStream.writableNeedsDrain = true
  push(1, 'own')
  rawStream.send = () => assert.fail('closed')
  drain()
})

test('a frame is control when it changes a mesh or a subscription, else it passes by', () => {
  const messages = [{ topic: 't' }]
  const graft = { graft: [{}] }
  assert.deepEqual(
    [
      { subscriptions: [{ topic: 't' }] },
      { messages, control: graft },
      { control: { prune: [{}] } },
      { messages },
      { control: {} },
    ].map(kindOf),
    ['control', 'control', 'control', 'passing', 'passing'],
  )
})
