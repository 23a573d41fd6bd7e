import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom, silentLog } from '../base/index.ts'
import { Autonat, type AutonatDeps } from './autonat.ts'
import {
  type AutonatMessage,
  DIAL_REQUEST_PROTOCOL,
  decodeAutonat,
  encodeAutonat,
} from './autonat-protocol.ts'
import { type Frames, framesOf } from './frames.ts'

type Serve = (stream: Stream, connection: Connection) => void

const TIMEOUTS = { negotiationTimeoutMs: 10_000, addressTimeoutMs: 5_000 }
const { signal } = new AbortController()

function connectionFrom(ip: string): Connection {
  return {
    remoteAddr: multiaddr(`/ip4/${ip}/tcp/9000`),
    remotePeer: peerIdFromString(signerOf(1).peer),
  } as unknown as Connection
}

/** A node that dials back for others, and dials nobody really. */
async function setup() {
  const clock = new FakeClock()
  const handlers = new Map<string, Serve>()
  const dialled: string[] = []
  const libp2p = {
    handle: async (protocol: string, serve: Serve) => void handlers.set(protocol, serve),
  } as unknown as AutonatDeps['libp2p']
  const autonat = new Autonat(
    {
      ...{ libp2p, clock, random: seededRandom('autonat'), log: silentLog },
      dial: async (to) => {
        dialled.push(to.toString())
        throw new TypeError('nobody is there')
      },
      scope: () => 'global',
      dialsFromListenPort: () => false,
    },
    TIMEOUTS,
  )
  await autonat.start()
  /** Opens a stream as somebody at `ip`; the far end of it. */
  const from = async (ip: string) => {
    const [near, far] = await streamPair()
    handlers.get(DIAL_REQUEST_PROTOCOL)?.(far, connectionFrom(ip))
    return near
  }
  return { clock, from, dialled }
}

function asking(stream: Stream, address: string): { frames: Frames; asked: Promise<void> } {
  const frames = framesOf(stream, 8_192)
  const request = encodeAutonat({ kind: 'request', addresses: [address], nonce: 7n })
  return { frames, asked: frames.write(request, signal) }
}

async function answerTo(stream: Stream, address: string): Promise<AutonatMessage> {
  const { frames, asked } = asking(stream, address)
  await asked
  return decodeAutonat(await frames.read(signal))
}

const isOver = ({ status }: Stream) => status !== 'open'
const NOT_REACHED = { kind: 'response', status: 200, index: 0, dial: 100 } as const

test('nine idle streams of one host take nothing from whoever asks', async () => {
  const { from, dialled } = await setup()
  for (let i = 0; i < 9; i += 1) await from('8.8.8.8')
  const answer = await answerTo(await from('9.9.9.9'), '/ip4/9.9.9.9/tcp/9000')
  assert.deepEqual(answer, NOT_REACHED)
  assert.equal(dialled.length, 1)
})

test('nor do idle streams of many hosts', async () => {
  const { from } = await setup()
  for (let i = 0; i < 40; i += 1) await from(`8.8.${i}.8`)
  const answer = await answerTo(await from('9.9.9.9'), '/ip4/9.9.9.9/tcp/9000')
  assert.deepEqual(answer, NOT_REACHED)
})

test('of one host four streams may wait, each for two seconds', async () => {
  const { from, clock } = await setup()
  const idle = []
  for (let i = 0; i < 5; i += 1) idle.push(await from('8.8.8.8'))
  await clock.advance(1_900)
  assert.deepEqual(idle.map(isOver), [false, false, false, false, true])
  await clock.advance(200)
  assert.deepEqual(idle.map(isOver), [true, true, true, true, true])
  const answer = await answerTo(await from('8.8.8.8'), '/ip4/8.8.8.8/tcp/9000')
  assert.deepEqual(answer, NOT_REACHED)
})

test('a dial to where the asker is not costs it 30 KB first', async () => {
  const { from, dialled } = await setup()
  const { frames, asked } = asking(await from('8.8.8.8'), '/ip4/9.9.9.9/tcp/9000')
  await asked
  const told = decodeAutonat(await frames.read(signal))
  assert.deepEqual(told, { kind: 'dataRequest', index: 0, bytes: 30_000 })
  const pay = (bytes: number) => {
    return frames.write(encodeAutonat({ kind: 'data', data: new Uint8Array(bytes) }), signal)
  }
  for (let paid = 0; paid < 28_000; paid += 4_000) await pay(4_000)
  assert.deepEqual(dialled, [])
  await pay(2_000)
  assert.deepEqual(decodeAutonat(await frames.read(signal)), NOT_REACHED)
  assert.equal(dialled.length, 1)
})

test('who asked and does not pay is given up in time', async () => {
  const { from, clock, dialled } = await setup()
  const stream = await from('8.8.8.8')
  const { frames, asked } = asking(stream, '/ip4/9.9.9.9/tcp/9000')
  await asked
  await frames.read(signal)
  await clock.advance(10_000)
  assert.ok(isOver(stream))
  assert.deepEqual(dialled, [])
  assert.equal(clock.waiting, 0)
})

test('the seventh request of a host within a minute is refused', async () => {
  const { from } = await setup()
  const answers: AutonatMessage[] = []
  for (let i = 0; i < 7; i += 1) {
    answers.push(await answerTo(await from('8.8.8.8'), '/ip4/8.8.8.8/tcp/9000'))
  }
  const statuses = answers.map((one) => (one.kind === 'response' ? one.status : one.kind))
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 200, 100])
})
