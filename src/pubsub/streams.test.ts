import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Connection } from '@libp2p/interface'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { silentLog } from '../base/index.ts'
import type { FrameBytes, OutboundStream, Stock } from './stock.ts'
import { Streams } from './streams.ts'

const peer = { toString: () => 'p' }

/** A connection to the one peer there is; a test lets it die. */
function connection(open: number) {
  return { remotePeer: peer, status: 'open', timeline: { open } } as unknown as Connection & {
    status: string
  }
}

/** Stock GossipSub as far as streams go: one outbound stream to a peer, opened when there is none. */
function setup() {
  const clock = new FakeClock(10_000)
  const opened: Connection[] = []
  const closed: OutboundStream[] = []
  const attached: OutboundStream[] = []
  const removed: string[] = []
  let isRefused = false
  let waits: Promise<void> = Promise.resolve()
  const stock = {
    streamsInbound: new Map<string, object>(),
    streamsOutbound: new Map<string, OutboundStream>(),
    onPeerConnected(_peer: object, over: Connection) {
      void this.createOutboundStream(peer, over)
    },
    onIncomingStream(stream: object, over: Connection) {
      this.streamsInbound.set('p', stream)
      void this.createOutboundStream(peer, over)
    },
    async createOutboundStream(_peer: object, over: Connection) {
      if (this.streamsOutbound.has('p')) return
      opened.push(over)
      await waits
      if (isRefused) return
      const stream = { close: async () => void closed.push(stream) } as unknown as OutboundStream
      this.streamsOutbound.set('p', stream)
    },
    async pipePeerReadStream(_from: object, frames: AsyncIterable<FrameBytes>) {
      try {
        for await (const _ of frames);
      } catch {
        removed.push('p')
      }
    },
  }
  let changes = 0
  const streams = new Streams({
    clock,
    log: silentLog,
    outlets: { attach: (_, stream) => void attached.push(stream as OutboundStream) },
    changed: () => {
      changes += 1
    },
  })
  const wrapped = stock as unknown as Stock
  streams.stand(wrapped)
  return {
    ...{ clock, stock: wrapped, opened, closed, attached, removed },
    changes: () => changes,
    refuse: (is: boolean) => {
      isRefused = is
    },
    wait: (until: Promise<void>) => {
      waits = until
    },
    comes: async (over: Connection, stream: object = {}) => {
      wrapped.onIncomingStream(stream as never, over)
      await setImmediate()
    },
    beat: async (ms = 1_000) => {
      await clock.advance(ms)
      streams.mend(wrapped)
      await setImmediate()
    },
  }
}

test('a stream to a peer is opened over the connection it was met on, and stands behind the outlets', async () => {
  const { stock, opened, attached, changes, beat } = setup()
  const first = connection(1)
  stock.onPeerConnected(peer as never, first)
  await setImmediate()
  assert.deepEqual([opened, attached.length, changes()], [[first], 1, 1])
  for (let i = 0; i < 5; i += 1) await beat()
  assert.deepEqual([opened.length, attached.length], [1, 1], 'and it stays')
})

test('who opens a new stream over a newer connection is answered over that one', async () => {
  const { opened, closed, attached, comes } = setup()
  const [old, newer] = [connection(1), connection(2)]
  await comes(old)
  await comes(newer)
  assert.deepEqual(opened, [old, newer])
  assert.deepEqual(closed, [attached[0]], 'the old one is closed')
})

test('a first stream of a peer, or a new one over an older connection, moves nothing', async () => {
  const { stock, opened, closed, comes } = setup()
  const [old, newer] = [connection(1), connection(2)]
  stock.onPeerConnected(peer as never, old)
  await setImmediate()
  await comes(newer)
  assert.deepEqual([opened, closed], [[old], []], 'two that met over two connections')

  const other = setup()
  await other.comes(newer)
  await other.comes(old)
  assert.deepEqual([other.opened, other.closed], [[newer], []])
})

test('an old stream that breaks says nothing about its peer; the one that counts does', async () => {
  const { stock, removed, comes } = setup()
  const broken = Promise.withResolvers<never>()
  async function* frames(): AsyncGenerator<FrameBytes> {
    yield Uint8Array.of(1)
    await broken.promise
  }
  const over = connection(1)
  await comes(over)
  const reading = [stock.pipePeerReadStream(peer as never, frames())]
  await comes(over)
  reading.push(stock.pipePeerReadStream(peer as never, frames()))
  broken.reject(new Error('the stream has been reset'))
  await Promise.all(reading)
  assert.deepEqual(removed, ['p'])
})

test('what is missing is opened again over the newest connection, with pauses that double', async () => {
  const { stock, opened, attached, beat, refuse, comes } = setup()
  const [old, newer] = [connection(1), connection(2)]
  await comes(old)
  stock.onPeerConnected(peer as never, newer)
  stock.streamsOutbound.delete('p')
  refuse(true)
  opened.length = 0
  const tried: number[] = []
  for (let second = 1; second <= 130; second += 1) {
    const before = opened.length
    await beat()
    if (opened.length > before) tried.push(second)
  }
  assert.deepEqual(tried, [1, 2, 4, 8, 16, 32, 64, 124])
  assert.ok(opened.every((over) => over === newer))
  refuse(false)
  await beat(60_000)
  assert.equal(attached.length, 2)
})

test('a stream on a connection that is closed is no stream; without a connection there is none', async () => {
  const { stock, opened, attached, beat, comes } = setup()
  const [old, newer] = [connection(1), connection(2)]
  await comes(old)
  stock.onPeerConnected(peer as never, newer)
  old.status = 'closed'
  await beat()
  assert.deepEqual([opened, attached.length], [[old, newer], 2])
  newer.status = 'closed'
  for (let i = 0; i < 5; i += 1) await beat()
  assert.equal(opened.length, 2)
})

test('a stream that is being opened is waited for', async () => {
  const { opened, attached, beat, comes, wait } = setup()
  const slow = Promise.withResolvers<void>()
  wait(slow.promise)
  await comes(connection(1))
  for (let i = 0; i < 9; i += 1) await beat()
  assert.equal(opened.length, 1)
  slow.resolve()
  await beat()
  assert.equal(attached.length, 1)
})
