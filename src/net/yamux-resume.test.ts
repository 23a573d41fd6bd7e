import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MultiaddrConnection, StreamMuxerFactory } from '@libp2p/interface'
import { AbstractStream, type SendResult } from '@libp2p/utils'
import { silentLog } from '../base/index.ts'
import { libp2pLogger } from './libp2p-log.ts'
import { withTrueResume } from './yamux-resume.ts'

class FakeStream extends AbstractStream {
  readonly calls: string[] = []

  constructor() {
    super({ id: '1', log: libp2pLogger(silentLog).forComponent('test'), direction: 'inbound' })
  }

  override sendData(data: Parameters<AbstractStream['sendData']>[0]): SendResult {
    return { sentBytes: data.byteLength, canSendMore: true }
  }
  override sendReset(): void {}
  override async sendCloseWrite(): Promise<void> {}
  override async sendCloseRead(): Promise<void> {}
  override sendPause(): void {
    this.calls.push('pause')
  }
  override sendResume(): void {
    this.calls.push('resume')
  }
}

/** A stream as the patched muxer makes it. */
function setup(): FakeStream {
  const factory = {
    protocol: '/yamux/1.0.0',
    createStreamMuxer: () => ({ _newStream: () => new FakeStream() }),
  }
  const patched = withTrueResume(factory as unknown as StreamMuxerFactory)
  const muxer = patched.createStreamMuxer({} as MultiaddrConnection)
  return (muxer as unknown as { _newStream(): FakeStream })._newStream()
}

test('a stream that is paused anew while it is resumed does not open its window', () => {
  const stream = setup()
  stream.pause()
  stream.onData(Uint8Array.of(1))
  stream.addEventListener('message', () => stream.pause())
  stream.resume()
  assert.equal(stream.readStatus, 'paused')
  assert.deepEqual(stream.calls, ['pause', 'pause'])
})

test('a stream that stays resumed opens its window', () => {
  const stream = setup()
  stream.pause()
  stream.resume()
  assert.deepEqual(stream.calls, ['pause', 'resume'])
})
