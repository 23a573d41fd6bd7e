import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { MultiaddrConnection, StreamMuxer } from '@libp2p/interface'
import { AbstractStream } from '@libp2p/utils'
import fc from 'fast-check'
import { concatBytes, silentLog, utf8 } from '../base/index.ts'
import { type EarlyStreamOptions, encryptEarly, withEarlyStreams } from './early-protocol.ts'
import { libp2pLogger } from './libp2p-log.ts'

const PROPOSAL = utf8('\x13/multistream/1.0.0\n\x08/echo/1\n')
const log = libp2pLogger(silentLog).forComponent('test')

class FakeStream extends AbstractStream {
  readonly sent: Uint8Array[] = []
  readonly got: Uint8Array[] = []
  error: Error | undefined

  constructor() {
    super({ id: '1', log, direction: 'outbound' })
    this.addEventListener('message', ({ data }) => this.got.push(data.subarray()))
    this.addEventListener('close', ({ error }) => {
      this.error = error
    })
  }

  override sendData(data: Parameters<AbstractStream['sendData']>[0]) {
    this.sent.push(data.subarray())
    return { sentBytes: data.byteLength, canSendMore: true }
  }
  override sendReset(): void {}
  override async sendCloseWrite(): Promise<void> {}
  override async sendCloseRead(): Promise<void> {}
  override sendPause(): void {}
  override sendResume(): void {}
}

async function opened(options: EarlyStreamOptions): Promise<FakeStream> {
  const stream = new FakeStream()
  const muxer = { createStream: async () => stream } as unknown as StreamMuxer
  const factory = withEarlyStreams({ protocol: '/m', createStreamMuxer: () => muxer })
  const over: (connection: MultiaddrConnection) => StreamMuxer = factory.createStreamMuxer
  await over({} as MultiaddrConnection).createStream(options)
  return stream
}

test('an early stream has its protocol at once, and sends the proposal first', async () => {
  const stream = await opened({ protocol: '/echo/1', early: true })
  stream.send(utf8('hello'))
  assert.equal(stream.protocol, '/echo/1')
  assert.deepEqual(concatBytes(...stream.sent), concatBytes(PROPOSAL, utf8('hello')))
})

test('a stream that is not asked to be early is left to libp2p', async () => {
  for (const options of [{ protocol: '/echo/1' }, { early: true }, { early: false }]) {
    const stream = await opened(options)
    assert.equal(stream.protocol, '')
    assert.deepEqual(stream.sent, [])
    stream.onData(PROPOSAL)
    assert.deepEqual(concatBytes(...stream.got), PROPOSAL)
  }
})

test('the answer is cut off wherever it is split, and what follows is delivered whole', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.nat({ max: 90 }), { maxLength: 6 }),
      async (rest, cuts) => {
        const stream = await opened({ protocol: '/echo/1', early: true })
        const all = concatBytes(PROPOSAL, rest)
        const at = [0, ...cuts.toSorted((a, b) => a - b), all.length]
        for (const [i, from] of at.slice(0, -1).entries()) stream.onData(all.slice(from, at[i + 1]))
        assert.deepEqual(concatBytes(...stream.got), rest)
        assert.equal(stream.status, 'open')
      },
    ),
  )
})

test('any other answer ends the stream, and nothing of it is delivered', async () => {
  for (const answer of ['\x13/multistream/1.0.0\n\x03na\n', 'x', '\x13/multistream/2.0.0\n']) {
    const stream = await opened({ protocol: '/echo/1', early: true })
    stream.onData(utf8(answer))
    stream.onData(PROPOSAL)
    assert.equal(stream.status, 'aborted')
    assert.equal(stream.error?.name, 'UnsupportedProtocolError')
    assert.deepEqual(stream.got, [])
  }
})

test('a goodbye in place of an answer is no goodbye', async () => {
  const early = await opened({ protocol: '/echo/1', early: true })
  early.onData(PROPOSAL.slice(0, 5))
  early.onRemoteCloseWrite()
  assert.equal(early.status, 'aborted')
  assert.match(early.error?.message ?? '', /before a protocol was agreed on/)
  const answered = await opened({ protocol: '/echo/1', early: true })
  answered.onData(PROPOSAL)
  answered.onRemoteCloseWrite()
  assert.equal(answered.status, 'open')
  assert.equal(answered.remoteWriteStatus, 'closed')
})

test('encryption finds its answer there, and the true one is cut off', async () => {
  const connection = new FakeStream()
  const heard: Uint8Array[] = connection.got
  connection.pause()
  encryptEarly(connection as unknown as MultiaddrConnection, '/echo/1')
  connection.onData(concatBytes(PROPOSAL, Uint8Array.of(7)))
  connection.resume()
  await setImmediate()
  assert.deepEqual(concatBytes(...heard), concatBytes(PROPOSAL, Uint8Array.of(7)))
})
