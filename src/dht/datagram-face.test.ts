import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { keysOf } from '../../test/support/datagram-fixture.ts'
import { NETWORK } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { FakeUdp } from '../../test/support/fake-udp.ts'
import { seededRandom, silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type DhtConfig, dhtConfig } from './config.ts'
import { DatagramFace, type DatagramFaceDeps } from './datagram-face.ts'
import { decodeMessage, encodeMessage, type Message, type PeerInfo } from './wire.ts'

/** Who was started a moment ago answers nobody early: an earlier run may have done so. */
const SETTLED_MS = 20_000
const PING = [encodeMessage({ type: 'ping' })]

interface Made {
  readonly config?: Partial<DhtConfig>
  readonly deps?: Partial<DatagramFaceDeps>
}

function setup() {
  const udp = new FakeUdp()
  const clock = new FakeClock(1_000_000)
  const outcomes: string[] = []
  const metrics = {
    datagrams: {
      add: (_: number, { direction, outcome }: Record<string, string>) =>
        void outcomes.push(`${direction} ${outcome}`),
    },
  } as DatagramFaceDeps['metrics']
  const face = async (seed: number, { config, deps }: Made = {}) => {
    const { signer, agreement } = keysOf(seed)
    const host = `10.0.0.${seed}`
    const spoke: [PeerId, boolean][] = []
    const asked: Message[] = []
    const made = new DatagramFace(
      {
        agreement,
        openUdp: udp.open,
        hosts: [host],
        host: { self: signer.peer, addresses: () => [`/ip4/${host}/tcp/9000/p2p/${signer.peer}`] },
        network: NETWORK,
        clock,
        random: seededRandom(`face ${seed}`),
        log: silentLog,
        metrics,
        answer: async (_peer, messages) => {
          const read = [...messages]
          asked.push(...read)
          return read.at(-1)
        },
        spoke: (peer, serves) => void spoke.push([peer, serves]),
        ...deps,
      },
      dhtConfig.parse(config ?? {}),
    )
    await made.start()
    return { face: made, peer: signer.peer, spoke, asked, at: { host, port: 9_000 } }
  }
  return { udp, clock, outcomes, face }
}

type Faced = Awaited<ReturnType<ReturnType<typeof setup>['face']>>

async function ask(a: Faced, b: Faced, messages = PING) {
  a.face.told(b.peer, b.at, 'private')
  assert.ok(a.face.canAsk(b.peer))
  return a.face.ask(b.peer, messages)
}

test('a question goes out as a datagram and its answer comes back', async () => {
  const { face, clock, outcomes } = setup()
  const [a, b] = [await face(1), await face(2)]
  const outcome = await ask(a, b)
  assert.ok(outcome?.kind === 'answered')
  assert.equal(decodeMessage(outcome.message).type, 'ping')
  assert.deepEqual(b.spoke, [[a.peer, true]])
  assert.deepEqual(outcomes, ['in challenged', 'in challenge', 'in question', 'out answered'])
  assert.deepEqual(a.face.provenOf(b.peer), { ...b.at, tcp: 9_000, quic: 0 })
  // The one who was asked can ask in turn: it knows where.
  assert.ok(b.face.canAsk(a.peer))
  await clock.advance(25)
  assert.equal(clock.waiting, 0)
})

test('a first question is answered early; who asked is met when it has shown where it is', async () => {
  const { face, clock, outcomes } = setup()
  const [a, b] = [await face(1), await face(2)]
  await clock.advance(SETTLED_MS)
  a.face.told(b.peer, b.at, 'private')
  const question = [encodeMessage({ type: 'findNode', key: Uint8Array.of(1) })]
  const asked = a.face.ask(b.peer, question, ['findNode'])
  assert.equal((await asked)?.kind, 'answered')
  await setImmediate()
  assert.deepEqual(
    b.asked.map(({ type }) => type),
    ['findNode', 'ping'],
  )
  // Only the second one, with the cookie, says where the other is.
  assert.deepEqual(b.spoke, [[a.peer, true]])
  assert.deepEqual(b.face.provenOf(a.peer), { ...a.at, tcp: 9_000, quic: 0 })
  assert.ok(!outcomes.includes('in challenged'))
  await a.face.ask(b.peer, question, ['findNode'])
  await setImmediate()
  assert.equal(b.asked.length, 3)
})

test('an early question alone makes nobody known', async () => {
  const { face, clock, udp } = setup()
  const [a, b] = [await face(1), await face(2)]
  await clock.advance(SETTLED_MS)
  let sent = 0
  // The question and its answer; the introduction is lost.
  udp.loses = () => sent++ >= 2
  a.face.told(b.peer, b.at, 'private')
  const question = [encodeMessage({ type: 'findNode', key: Uint8Array.of(1) })]
  assert.equal((await a.face.ask(b.peer, question, ['findNode']))?.kind, 'answered')
  assert.deepEqual([b.asked.length, b.spoke, b.face.provenOf(a.peer)], [1, [], undefined])
  assert.equal(b.face.canAsk(a.peer), false)
  a.face.stop()
})

test('the port is the number of the TCP port, and our address says so', async () => {
  const { face } = setup()
  const a = await face(1)
  assert.deepEqual(a.face.addresses(), ['/ip4/10.0.0.1/udp/9000'])
  assert.deepEqual(a.face.state, { state: 'active' })
  const b = await face(2, { config: { datagramPort: 7_000 } })
  assert.deepEqual(b.face.addresses(), ['/ip4/10.0.0.2/udp/7000'])
})

test('a face whose port cannot be opened says why and asks nobody', async () => {
  const { face, udp } = setup()
  const warned: unknown[] = []
  const log = { ...silentLog, warn: (...said: unknown[]) => void warned.push(said) }
  await udp.open({ hosts: ['10.0.0.1'], port: 7_000, movable: false })
  const a = await face(1, { config: { datagramPort: 7_000 }, deps: { log } })
  assert.equal(a.face.state.state, 'unavailable')
  assert.match(a.face.state.reason ?? '', /7000/)
  assert.equal(warned.length, 1)
  const b = await face(2)
  a.face.told(b.peer, b.at, 'private')
  assert.equal(a.face.canAsk(b.peer), false)
  assert.deepEqual(a.face.addresses(), [])
  const none = await face(3, { deps: { hosts: [] } })
  assert.equal(none.face.state.state, 'unavailable')
})

test('what is refused is told so at once', async () => {
  const { face, outcomes } = setup()
  const deps = { answer: () => Promise.reject(new RangeError('over quota')) }
  const [a, b, c] = [await face(1), await face(2, { deps }), await face(3)]
  assert.equal((await ask(a, b))?.kind, 'refused')
  assert.equal((await ask(a, c, [Uint8Array.of(0xff)]))?.kind, 'refused')
  assert.deepEqual([...b.spoke, ...c.spoke], [])
  assert.ok(outcomes.includes('in refused'))
})

test('of a flood no more than 512 questions are worked on at once', async () => {
  const { face, outcomes } = setup()
  let working = 0
  const answer = () => {
    working += 1
    return new Promise<undefined>(() => undefined)
  }
  const b = await face(1, { deps: { answer } })
  for (let seed = 2; seed <= 12; seed += 1) {
    const a = await face(seed)
    for (let i = 0; i < 60; i += 1) void ask(a, b)
  }
  assert.equal(working, 512)
  assert.ok(outcomes.includes('in busy'))
})

test('an answer that does not fit is partial', async () => {
  const { face } = setup()
  const record = { key: new Uint8Array(), value: new Uint8Array(2_000) }
  const deps = { answer: async () => ({ type: 'getValue', record }) as const }
  const [a, b] = [await face(1), await face(2, { deps })]
  assert.equal((await ask(a, b))?.kind, 'partial')
})

test('a client asks, says that it does not serve, and answers nobody', async () => {
  const { face, clock } = setup()
  const [a, b] = [await face(1, { config: { mode: 'client' } }), await face(2)]
  assert.equal((await ask(a, b))?.kind, 'answered')
  assert.deepEqual(b.spoke, [[a.peer, false]])
  const asked = ask(b, a)
  await clock.advance(2_000)
  assert.deepEqual(await asked, { kind: 'silent', known: false })
  assert.deepEqual(a.asked, [])
})

test('messages that fit no packet, and peers without a key of ours, are for streams', async () => {
  const { face } = setup()
  const [a, b] = [await face(1), await face(2)]
  assert.equal(await ask(a, b, [new Uint8Array(1_200)]), undefined)
  const stranger = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N' as PeerId
  a.face.told(stranger, b.at, 'private')
  assert.equal(a.face.canAsk(stranger), false)
})

test('where peers are is believed no further than whoever tells it is met', async () => {
  const { face } = setup()
  const a = await face(1)
  const { peer } = await face(2)
  const believed = (host: string, scope: 'loopback' | 'private' | 'global', port = 9_000) => {
    const { peer: other } = keysOf(1_000 + names++).signer
    a.face.told(other, { host, port }, scope)
    return a.face.canAsk(other)
  }
  let names = 0
  assert.equal(believed('127.0.0.1', 'loopback'), true)
  assert.equal(believed('127.0.0.1', 'private'), false)
  assert.equal(believed('10.0.0.1', 'private'), true)
  assert.equal(believed('10.0.0.1', 'global'), false)
  assert.equal(believed('1.2.3.4', 'global'), true)
  assert.equal(believed('1.2.3.4', 'global', 53), false)
  assert.equal(believed('1.2.3.4', 'private', 53), true)
  assert.equal(believed('224.0.0.251', 'loopback'), false)
  // No socket of ours speaks IPv6.
  assert.equal(believed('2a00::1', 'global'), false)
  a.face.told(a.peer, { host: '10.0.0.9', port: 9_000 }, 'private')
  assert.equal(a.face.endpointOf(a.peer), undefined)
  assert.equal(a.face.endpointOf(peer), undefined)
})

test('where no datagram is ever answered, one peer in ten seconds is tried', async () => {
  const { face, clock } = setup()
  const a = await face(1)
  const peers = Array.from({ length: 20 }, (_, i) => keysOf(100 + i).signer.peer)
  for (const peer of peers) a.face.told(peer, { host: '10.9.9.9', port: 9_000 }, 'private')
  const tried: boolean[] = []
  for (const peer of peers) {
    const can = a.face.canAsk(peer)
    tried.push(can)
    if (!can) continue
    const asked = a.face.ask(peer, PING)
    await clock.advance(2_000)
    assert.deepEqual(await asked, { kind: 'silent', known: false })
  }
  // Eight at first; the ninth is the probe, and time goes by with the questions only.
  assert.deepEqual(tried, [...Array<boolean>(9).fill(true), ...Array<boolean>(11).fill(false)])
  await clock.advance(10_000)
  assert.equal(a.face.canAsk(peers[19] ?? assert.fail()), true)
  assert.equal(a.face.canAsk(peers[18] ?? assert.fail()), false)
})

test('peers that a liar made up do not mute a face that others answer', async () => {
  const { face, clock } = setup()
  const [a, b] = [await face(1), await face(2)]
  await ask(a, b)
  const peers = Array.from({ length: 12 }, (_, i) => keysOf(100 + i).signer.peer)
  for (const peer of peers) a.face.told(peer, { host: '10.9.9.9', port: 9_000 }, 'private')
  const asked = peers.slice(0, 10).map((peer) => a.face.ask(peer, PING))
  await clock.advance(2_000)
  for (const one of asked) assert.equal((await one)?.kind, 'silent')
  for (const peer of peers.slice(10)) assert.equal(a.face.canAsk(peer), true)
  // What was heard long ago says nothing of where we are now.
  await clock.advance(60_000)
  assert.deepEqual(
    peers.slice(10).map((peer) => a.face.canAsk(peer)),
    [true, false],
  )
})

test('questions that wait for one peer are bounded', async () => {
  const { face, udp } = setup()
  const [a, b] = [await face(1), await face(2)]
  udp.loses = () => true
  const asked = Array.from({ length: 64 }, () => ask(a, b))
  await assert.rejects(ask(a, b), coded('DHT_PEER_BUSY'))
  a.face.stop()
  for (const one of asked) assert.equal((await one)?.kind, 'silent')
})

test('after stop() nothing goes out, nothing comes in, and no timer is left', async () => {
  const { face, udp, clock } = setup()
  const [a, b] = [await face(1), await face(2)]
  udp.loses = () => true
  const asked = ask(a, b)
  a.face.stop()
  assert.equal((await asked)?.kind, 'silent')
  await setImmediate()
  assert.equal(clock.waiting, 0)
  assert.equal(a.face.canAsk(b.peer), false)
  assert.equal(a.face.state.state, 'off')
})

test('lost packets are sent again', async () => {
  const { face, udp, clock } = setup()
  const [a, b] = [await face(1), await face(2)]
  await ask(a, b)
  let count = 0
  udp.loses = () => count++ < 2
  const asked = ask(a, b)
  await clock.advance(1_000)
  assert.equal((await asked)?.kind, 'answered')
})

test('an answer names the closer peers by their datagram address', async () => {
  const { face } = setup()
  const closer: PeerInfo[] = Array.from({ length: 20 }, (_, i) => ({
    peer: keysOf(100 + i).signer.peer,
    addresses: [`/ip4/192.0.2.${i + 1}/udp/9000`, `/ip4/192.0.2.${i + 1}/tcp/9000`],
  }))
  const deps = {
    answer: async () => ({ type: 'findNode', key: Uint8Array.of(1), closer }) as const,
  }
  const [a, b] = [await face(1), await face(2, { deps })]
  const outcome = await ask(a, b)
  assert.ok(outcome?.kind === 'answered')
  const named = decodeMessage(outcome.message).closer ?? []
  assert.deepEqual(
    named.map(({ peer, addresses }) => [peer, ...addresses]),
    closer.map(({ peer, addresses }) => [peer, addresses[0]]),
  )
})
