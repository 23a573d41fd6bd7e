import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { concatBytes, silentLog } from '../base/index.ts'
import { libp2pLogger } from './libp2p-log.ts'
import type { NativeStream } from './quic-addon.ts'
import { QuicStream } from './quic-stream.ts'

const KIB = 1_024
const log = libp2pLogger(silentLog).forComponent('test')

/** A stream whose reads and writes with the addon are settled by the test. */
function setup() {
  const reads: { max: number; give: (bytes: Uint8Array | null) => void; fail: () => void }[] = []
  const writes: { bytes: Uint8Array; done: () => void; fail: () => void }[] = []
  const said: string[] = []
  const gone = () => new TypeError('connection lost')
  const native: NativeStream = {
    id: () => '0',
    read(max) {
      const answer = Promise.withResolvers<Uint8Array | null>()
      reads.push({ max, give: answer.resolve, fail: () => answer.reject(gone()) })
      return answer.promise
    },
    write(bytes) {
      const answer = Promise.withResolvers<void>()
      writes.push({ bytes, done: answer.resolve, fail: () => answer.reject(gone()) })
      return answer.promise
    },
    finishWrite: async () => void said.push('fin'),
    resetWrite: async () => void said.push('reset'),
    stopRead: async () => void said.push('stop'),
  }
  const stream = new QuicStream(native, { id: '0', direction: 'outbound', log })
  const lastWrite = () => writes.at(-1) ?? assert.fail('nothing was written')
  const lastRead = () => reads.at(-1) ?? assert.fail('nothing is read')
  return { stream, reads, writes, said, lastWrite, lastRead }
}

test('one write is with the addon; what comes meanwhile keeps its order and goes as one', async () => {
  const { stream, writes, lastWrite } = setup()
  for (const byte of [1, 2, 3, 4]) assert.equal(stream.send(Uint8Array.of(byte)), true)
  assert.deepEqual(
    writes.map(({ bytes }) => [...bytes]),
    [[1]],
  )
  lastWrite().done()
  await setImmediate()
  assert.deepEqual([...lastWrite().bytes], [2, 3, 4])
  assert.equal(writes.length, 2)
})

test('large pieces are handed on as they are, in order', async () => {
  const { stream, writes, lastWrite } = setup()
  const large = new Uint8Array(100 * KIB).fill(2)
  stream.send(Uint8Array.of(1))
  stream.send(large)
  stream.send(Uint8Array.of(3))
  for (let i = 0; i < 3; i += 1) {
    lastWrite().done()
    await setImmediate()
  }
  assert.equal(writes[1]?.bytes.buffer, large.buffer)
  assert.deepEqual(
    concatBytes(...writes.map(({ bytes }) => bytes)),
    concatBytes(Uint8Array.of(1), large, Uint8Array.of(3)),
  )
})

test('beyond 256 KiB that wait the sender is told to, until the addon takes them', async () => {
  const { stream, writes, lastWrite } = setup()
  let drained = 0
  stream.addEventListener('drain', () => (drained += 1))
  assert.equal(stream.send(new Uint8Array(256 * KIB)), true)
  assert.equal(stream.send(new Uint8Array(256 * KIB)), false)
  assert.equal(stream.send(new Uint8Array(1)), false)
  assert.equal(writes.length, 1)
  lastWrite().done()
  await setImmediate()
  assert.equal(drained, 1)
  assert.equal(stream.writableNeedsDrain, false)
})

test('close() says goodbye after the last byte, and not before', async () => {
  const { stream, said, lastWrite } = setup()
  stream.send(Uint8Array.of(1))
  stream.send(Uint8Array.of(2))
  const closing = stream.close()
  await setImmediate()
  lastWrite().done()
  await setImmediate()
  assert.deepEqual(said, [])
  lastWrite().done()
  await closing
  assert.deepEqual(said, ['fin'])
})

test('close() waits no longer than its signal for an addon that takes nothing', async () => {
  const { stream } = setup()
  stream.send(Uint8Array.of(1))
  const signal = AbortSignal.abort(new TypeError('too slow'))
  await assert.rejects(stream.close({ signal }), /too slow/)
})

test('abort() drops what waits and resets both directions', async () => {
  const { stream, writes, said } = setup()
  stream.send(Uint8Array.of(1))
  stream.send(Uint8Array.of(2))
  stream.abort(new TypeError('enough'))
  writes[0]?.fail()
  await setImmediate()
  assert.equal(writes.length, 1)
  assert.deepEqual(said, ['reset', 'stop'])
  assert.equal(stream.status, 'aborted')
})

test('only a FIN is a goodbye: a read or a write that fails is a reset', async () => {
  const fin = setup()
  let goodbyes = 0
  fin.stream.addEventListener('remoteCloseWrite', () => (goodbyes += 1))
  fin.lastRead().give(null)
  await setImmediate()
  assert.equal(goodbyes, 1)
  for (const part of ['read', 'write']) {
    const lost = setup()
    lost.stream.addEventListener('remoteCloseWrite', () => assert.fail('that was no goodbye'))
    if (part === 'write') lost.stream.send(Uint8Array.of(1))
    if (part === 'read') lost.lastRead().fail()
    else lost.lastWrite().fail()
    await setImmediate()
    assert.equal(lost.stream.status, 'reset')
  }
})

test('a paused stream is not read, so that QUIC holds the sender back', async () => {
  const { stream, reads, lastRead } = setup()
  const got: number[] = []
  stream.addEventListener('message', ({ data }) => got.push(...data.subarray()))
  stream.pause()
  lastRead().give(Uint8Array.of(1))
  await setImmediate()
  assert.equal(reads.length, 1)
  stream.resume()
  await setImmediate()
  assert.equal(reads.length, 2)
  lastRead().give(Uint8Array.of(2))
  await setImmediate()
  assert.deepEqual(got, [1, 2])
})

test('reads grow while they come back full, to 256 KiB, and shrink again', async () => {
  const { stream, reads, lastRead } = setup()
  stream.addEventListener('message', () => undefined)
  for (let i = 0; i < 5; i += 1) {
    lastRead().give(new Uint8Array(lastRead().max))
    await setImmediate()
  }
  for (let i = 0; i < 4; i += 1) {
    lastRead().give(Uint8Array.of(1))
    await setImmediate()
  }
  const sizes = reads.map(({ max }) => max / KIB)
  assert.deepEqual(sizes, [4, 16, 64, 256, 256, 256, 64, 16, 4, 4])
})

test('a stream that is paused anew while it is resumed waits for the next resume', async () => {
  const { stream, reads, lastRead } = setup()
  watchStatus(stream, 1_000)
  stream.pause()
  lastRead().give(Uint8Array.of(1))
  await setImmediate()
  const pause = () => stream.pause()
  stream.addEventListener('message', pause)
  stream.resume()
  await setImmediate()
  assert.equal(stream.status, 'open')
  assert.equal(reads.length, 1)
  stream.removeEventListener('message', pause)
  stream.addEventListener('message', () => undefined)
  stream.resume()
  await setImmediate()
  assert.equal(reads.length, 2)
})

/** Whoever asks more than `max` times whether the stream is paused runs in circles. */
function watchStatus(stream: QuicStream, max: number): void {
  let status = stream.readStatus
  let asked = 0
  Object.defineProperty(stream, 'readStatus', {
    get() {
      asked += 1
      if (asked > max) throw new TypeError('asked without end')
      return status
    },
    set(value: typeof status) {
      status = value
    },
  })
}
