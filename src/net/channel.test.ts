import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnsupportedProtocolError } from '@libp2p/interface'
import { AbstractStream, type SendResult } from '@libp2p/utils'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { hasCode, silentLog } from '../base/index.ts'
import { peerId } from '../identity/index.ts'
import { encodeFrame } from '../wire/index.ts'
import { StreamChannel } from './channel.ts'
import { netConfig } from './config.ts'
import { libp2pLogger } from './libp2p-log.ts'

const PEER = peerId('12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg')
const FRAME_BYTES_MAX = 1_048_576

/** A stream whose other side is the test. */
class FakeStream extends AbstractStream {
  readonly sent: Uint8Array[] = []
  accepts = true
  wasReset = false
  saidGoodbye = false

  constructor() {
    super({ id: '1', log: libp2pLogger(silentLog).forComponent('test'), direction: 'inbound' })
  }

  override sendData(data: Parameters<AbstractStream['sendData']>[0]): SendResult {
    this.sent.push(data.slice())
    return { sentBytes: data.byteLength, canSendMore: this.accepts }
  }
  override sendReset(): void {
    this.wasReset = true
  }
  override async sendCloseWrite(): Promise<void> {
    this.saidGoodbye = true
  }
  override async sendCloseRead(): Promise<void> {}
  override sendPause(): void {}
  override sendResume(): void {}

  frame(bytes: Uint8Array): void {
    this.onData(encodeFrame('varint', bytes, FRAME_BYTES_MAX))
  }
}

function setup() {
  const stream = new FakeStream()
  const clock = new FakeClock()
  const protocol = {
    id: '/test/1.0.0',
    framing: 'varint' as const,
    frameBytesMax: FRAME_BYTES_MAX,
    inboundMax: 1,
    outboundMax: 1,
  }
  const channel = new StreamChannel({ stream, peer: PEER, protocol, clock }, netConfig.parse({}))
  return { stream, clock, channel }
}

test('read() gives frames in order, then undefined after the other goodbye', async () => {
  const { stream, channel } = setup()
  stream.frame(Uint8Array.of(1))
  stream.frame(Uint8Array.of(2, 2))
  stream.onRemoteCloseWrite()
  assert.deepEqual(await channel.read(), Uint8Array.of(1))
  assert.deepEqual(await channel.read(), Uint8Array.of(2, 2))
  assert.equal(await channel.read(), undefined)
  assert.equal(await channel.read(), undefined)
})

test('read() joins a frame that comes in single bytes', async () => {
  const { stream, channel } = setup()
  const whole = encodeFrame('varint', new Uint8Array(300).fill(7), FRAME_BYTES_MAX)
  for (const byte of whole) stream.onData(Uint8Array.of(byte))
  assert.deepEqual(await channel.read(), new Uint8Array(300).fill(7))
})

test('read() refuses a goodbye in the middle of a frame, also right after its length', async () => {
  for (const begun of [[5, 1, 2], [5], [0x85]]) {
    const { stream, channel } = setup()
    stream.onData(Uint8Array.from(begun))
    stream.onRemoteCloseWrite()
    await assert.rejects(channel.read(), coded('NET_CHANNEL_BROKEN'))
  }
})

test('read() takes a lost connection for no goodbye, but gives the whole frames first', async () => {
  const { stream, channel } = setup()
  stream.frame(Uint8Array.of(1))
  stream.onTransportClosed()
  assert.deepEqual(await channel.read(), Uint8Array.of(1))
  await assert.rejects(channel.read(), coded('NET_CHANNEL_BROKEN'))
  assert.ok(hasCode(channel.closed.reason, 'NET_CHANNEL_BROKEN'))
})

test('read() says so when the other side turns out not to speak the protocol', async () => {
  const { stream, channel } = setup()
  stream.abort(new UnsupportedProtocolError('the other side does not speak it'))
  await assert.rejects(channel.read(), coded('NET_PROTOCOL_UNSUPPORTED'))
  await assert.rejects(channel.write(Uint8Array.of(1)), coded('NET_PROTOCOL_UNSUPPORTED'))
})

test('read() of a channel that we abort ourselves gives nothing more', async () => {
  const { stream, channel } = setup()
  stream.frame(Uint8Array.of(1))
  channel.abort(new TypeError('enough'))
  await assert.rejects(channel.read(), /enough/)
  assert.equal(stream.wasReset, true)
})

test('read() ends with its signal and the channel lives on', async () => {
  const { stream, channel } = setup()
  const giveUp = new AbortController()
  const reading = channel.read({ signal: giveUp.signal })
  giveUp.abort(new TypeError('given up'))
  await assert.rejects(reading, /given up/)
  stream.frame(Uint8Array.of(1))
  assert.deepEqual(await channel.read(), Uint8Array.of(1))
})

test('a frame over the limit resets the stream before its bytes are kept', async () => {
  const { stream, channel } = setup()
  stream.onData(Uint8Array.of(0x81, 0x80, 0x40, 1, 2, 3))
  assert.equal(stream.wasReset, true)
  await assert.rejects(channel.read(), /limit is 1048576/)
})

test('a channel that nobody reads pauses its stream, and resumes when it is read', async () => {
  const { stream, channel } = setup()
  let sent = 0
  while (stream.readStatus === 'readable') {
    stream.frame(new Uint8Array(1_024))
    sent += 1
    assert.ok(sent < 400, 'it pauses before 400 KiB')
  }
  for (let i = 0; i < sent; i += 1) assert.equal((await channel.read())?.length, 1_024)
  assert.equal(stream.readStatus, 'readable')
})

test('a flood of empty frames is not unfolded ahead of its reader', () => {
  const { stream } = setup()
  for (let i = 0; i < 100 && stream.readStatus === 'readable'; i += 1) {
    stream.onData(new Uint8Array(64 * 1_024))
  }
  assert.equal(stream.readStatus, 'paused')
})

test('what waits in a paused stream still arrives after the stream has closed', async () => {
  const { stream, channel } = setup()
  while (stream.readStatus === 'readable') stream.frame(new Uint8Array(64 * 1_024))
  stream.frame(Uint8Array.of(9))
  stream.onRemoteCloseWrite()
  await channel.close()
  let last: Uint8Array | undefined
  for (let frame = await channel.read(); frame !== undefined; frame = await channel.read()) {
    last = frame
  }
  assert.deepEqual(last, Uint8Array.of(9))
})

test('write() waits while 64 KiB wait to be sent, and no sooner', async () => {
  const { stream, channel } = setup()
  stream.accepts = false
  await channel.write(Uint8Array.of(1))
  await settled('sent')
  for (let i = 0; i < 64; i += 1) await channel.write(new Uint8Array(1_022))
  const waiting = channel.write(Uint8Array.of(2))
  assert.equal(await Promise.race([waiting, settled('waits')]), 'waits')
  assert.deepEqual(stream.sent, [Uint8Array.of(1, 1)])
  stream.safeDispatchEvent('drain')
  await waiting
  assert.equal(stream.sent.length, 2)
})

test('the frames of one turn of the event loop leave as one', async () => {
  const { stream, channel } = setup()
  await Promise.all([1, 2, 3].map((byte) => channel.write(Uint8Array.of(byte))))
  await settled('sent')
  assert.deepEqual(stream.sent, [Uint8Array.of(1, 1, 1, 2, 1, 3)])
})

test('write() keeps the frames of two writers apart', async () => {
  const { stream, channel } = setup()
  const large = new Uint8Array(600 * 1_024).fill(1)
  await Promise.all([channel.write(large), channel.write(Uint8Array.of(2))])
  const bytes = Buffer.concat(stream.sent)
  assert.deepEqual([...bytes.subarray(-2)], [1, 2])
  assert.equal(bytes.length, large.length + 3 + 2)
})

test('write() to a reader that takes nothing breaks the channel in the end', async () => {
  const { stream, channel, clock } = setup()
  stream.accepts = false
  await channel.write(Uint8Array.of(1))
  await settled('handed on')
  const writing = channel.write(new Uint8Array(600 * 1_024))
  const check = assert.rejects(writing, coded('NET_CHANNEL_BROKEN'))
  await clock.advance(29_999)
  assert.equal(stream.wasReset, false)
  await clock.advance(1)
  await check
  assert.equal(stream.wasReset, true)
  assert.equal(clock.waiting, 0)
})

test('a stream that takes something now and then is not given up', async () => {
  const { stream, channel, clock } = setup()
  stream.accepts = false
  for (let i = 0; i < 5; i += 1) {
    await channel.write(Uint8Array.of(1))
    await settled('handed on')
    await clock.advance(20_000)
    stream.safeDispatchEvent('drain')
    await settled('took it')
  }
  await channel.write(Uint8Array.of(1))
  await settled('handed on')
  await clock.advance(29_999)
  assert.equal(stream.wasReset, false)
  await clock.advance(1)
  assert.equal(stream.wasReset, true)
})

test('write() given up in the middle of a frame breaks the channel, before it does not', async () => {
  const { stream, channel } = setup()
  const giveUp = new AbortController()
  stream.accepts = false
  const first = channel.write(new Uint8Array(600 * 1_024))
  const second = channel.write(Uint8Array.of(1), { signal: giveUp.signal })
  giveUp.abort(new TypeError('given up'))
  await assert.rejects(second, /given up/)
  assert.equal(stream.wasReset, false)
  channel.abort(new TypeError('enough'))
  await assert.rejects(first, coded('NET_CHANNEL_BROKEN'))

  const other = setup()
  const cut = new AbortController()
  other.stream.accepts = false
  const cutShort = other.channel.write(new Uint8Array(600 * 1_024), { signal: cut.signal })
  await settled('begun')
  cut.abort(new TypeError('given up'))
  await assert.rejects(cutShort, /given up/)
  await settled('reset')
  assert.equal(other.stream.wasReset, true)
})

test('write() refuses a frame over the limit and a channel that is closed', async () => {
  const { channel } = setup()
  await assert.rejects(channel.write(new Uint8Array(FRAME_BYTES_MAX + 1)), coded('WIRE_TOO_LONG'))
  await channel.close()
  await assert.rejects(channel.write(Uint8Array.of(1)), coded('NET_CHANNEL_CLOSED'))
})

test('close() says goodbye after what was written, and cuts the line if none comes back', async () => {
  const { stream, channel, clock } = setup()
  void channel.write(Uint8Array.of(1))
  await channel.close()
  assert.equal(stream.saidGoodbye, true)
  assert.equal(stream.sent.length, 1)
  await clock.advance(9_999)
  assert.equal(channel.closed.aborted, false)
  await clock.advance(1)
  assert.equal(channel.closed.aborted, true)
  assert.equal(stream.wasReset, true)
})

test('close() leaves no timer behind once both sides have said goodbye', async () => {
  const { stream, channel, clock } = setup()
  await channel.close()
  stream.onRemoteCloseWrite()
  await settled('closed')
  assert.equal(channel.closed.aborted, true)
  assert.equal(await channel.read(), undefined)
  assert.equal(clock.waiting, 0)
})

/** Lets everything that is ready run first. */
async function settled<T>(value: T): Promise<T> {
  await new Promise((resolve) => setImmediate(resolve))
  return value
}
