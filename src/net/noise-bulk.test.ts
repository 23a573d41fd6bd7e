import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { secureRandom, silentLog, systemClock } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { libp2pLogger } from './libp2p-log.ts'
import { afterWrite, bulkNoise } from './noise-bulk.ts'
import { privateKeyOf } from './private-key.ts'

const SIZES = [1, 1_199, 1_200, 16_384, 65_519, 65_520, 300_000]

function encrypter(make: (components: never) => unknown): ConnectionEncrypter {
  const components = {
    privateKey: privateKeyOf(generateKeys(secureRandom)),
    logger: libp2pLogger(silentLog),
    upgrader: { getStreamMuxers: () => new Map() },
  }
  return make(components as never) as ConnectionEncrypter
}

/** Both ends of an encrypted connection, and all that passed over the wire towards the second. */
async function setup(first: ConnectionEncrypter, second: ConnectionEncrypter, socket: boolean) {
  const ends = multiaddrConnectionPair()
  if (socket) for (const end of ends) Object.assign(end, { socket: {} })
  const [a, b] = ends
  const reads: Uint8Array[] = []
  let held: Uint8Array[] | undefined
  const source = b as unknown as { onData(data: Uint8Array): void }
  const deliver = source.onData.bind(source)
  source.onData = (data) => {
    if (held !== undefined) {
      held.push(data.slice())
      return
    }
    // A read of a socket has memory of its own; here it holds 100,000 bytes at most.
    const bytes = data.subarray()
    for (let at = 0; at < bytes.length; at += 100_000) {
      const read = Uint8Array.from(bytes.subarray(at, at + 100_000))
      reads.push(read)
      deliver(read)
    }
  }
  const signal = AbortSignal.timeout(10_000)
  const [out, into] = await Promise.all([
    first.secureOutbound(a, { signal }),
    second.secureInbound(b, { signal }),
  ])
  const hold = () => {
    held = []
  }
  /** All that was held comes as one read. */
  const release = () => {
    const read = Uint8Array.from(Buffer.concat(held ?? []))
    held = undefined
    deliver(read)
    return read.buffer.detached
  }
  return { hold, release, out: out.connection, into: into.connection, reads, raw: a }
}

async function transfer(out: MessageStream, into: MessageStream, sent: Uint8Array): Promise<void> {
  const got: Uint8Array[] = []
  let left = sent.length
  const whole = Promise.withResolvers<void>()
  const take = ({ data }: { data: Parameters<MessageStream['send']>[0] }) => {
    got.push(data.slice())
    left -= data.byteLength
    if (left <= 0) whole.resolve()
  }
  into.addEventListener('message', take)
  out.send(sent)
  await whole.promise
  into.removeEventListener('message', take)
  assert.ok(Buffer.concat(got).equals(sent))
}

for (const socket of [false, true]) {
  test(`what one end sends the other gets, also a stock one (socket: ${socket})`, async () => {
    const pairs = [
      [bulkNoise(), bulkNoise()],
      [noise(), bulkNoise()],
      [bulkNoise(), noise()],
    ] as const
    for (const [first, second] of pairs) {
      const { out, into } = await setup(encrypter(first), encrypter(second), socket)
      for (const size of SIZES) await transfer(out, into, secureRandom.bytes(size))
    }
  })
}

test('reads of a socket are given back once they are decrypted, others never', async () => {
  for (const socket of [true, false]) {
    const { out, into, reads } = await setup(encrypter(bulkNoise()), encrypter(bulkNoise()), socket)
    await transfer(out, into, secureRandom.bytes(300_000))
    await setImmediate()
    const buffers = reads.map(({ buffer }) => buffer as ArrayBuffer)
    const large = buffers.filter((buffer) => buffer.detached || buffer.byteLength > 16_384)
    assert.ok(large.length >= 3)
    assert.equal(
      large.every(({ detached }) => detached),
      socket,
    )
  }
})

test('what waits for its reader stays whole while the read that brought it is given back', async () => {
  const { out, into, hold, release } = await setup(
    encrypter(bulkNoise()),
    encrypter(bulkNoise()),
    true,
  )
  hold()
  const sent = [20, 1_100, 300, 65_519].map((size) => secureRandom.bytes(size))
  for (const bytes of sent) out.send(bytes)
  await systemClock.sleep(50)
  const got: Uint8Array[] = []
  into.addEventListener('message', ({ data }) => {
    for (const piece of data instanceof Uint8Array ? [data] : data) got.push(piece)
  })
  assert.equal(release(), true)
  assert.ok(Buffer.concat(got).equals(Buffer.concat(sent)))
})

test('what was encrypted for a socket is given back once it is written, nothing else', async () => {
  const { out, raw } = await setup(encrypter(bulkNoise()), encrypter(bulkNoise()), true)
  const plain = secureRandom.bytes(65_519)
  const pieces: Uint8Array[] = []
  const send = raw.send.bind(raw)
  raw.send = (data) => {
    for (const piece of data as Iterable<Uint8Array>) pieces.push(piece)
    return send(Uint8Array.from(data.subarray()))
  }
  out.send(plain)
  assert.equal(afterWrite(plain), undefined)
  const done = pieces.map(afterWrite).filter((give) => give !== undefined)
  assert.equal(done.length, 1)
  done[0]?.()
  assert.equal(pieces.filter(({ buffer }) => (buffer as ArrayBuffer).detached).length, 1)
  assert.equal(plain.length, 65_519)
})
