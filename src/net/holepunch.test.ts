import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Registry, silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { DCUTR_MESSAGE_BYTES_MAX, decodeHolePunch, encodeHolePunch } from './dcutr-protocol.ts'
import { framesOf } from './frames.ts'
import { HolePunch, type HolePunchDeps } from './holepunch.ts'
import { netMetrics } from './metrics.ts'
import { type Path, pathOf } from './paths.ts'

const THEM = signerOf(2).peer
const RELAY = signerOf(3).peer
const CIRCUIT = `/ip4/5.9.77.10/tcp/9000/p2p/${RELAY}/p2p-circuit`
const OUR_PORT = '/ip4/81.2.69.1/tcp/9000'
const THEIR_PORT = '/ip4/91.2.69.2/tcp/9000'
const { signal } = new AbortController()

function connectionAt(address: string, rest: Partial<Connection> = {}): Connection {
  return {
    remoteAddr: multiaddr(address),
    remotePeer: peerIdFromString(THEM),
    direction: 'inbound',
    status: 'open',
    ...rest,
  } as unknown as Connection
}

/** A node that is called through a relay, and the far ends of what it opens. */
async function called({ own = [OUR_PORT], announced = [] as readonly string[] } = {}) {
  const clock = new FakeClock()
  const events = new EventTarget()
  const open: Connection[] = []
  const improved: { peer: PeerId; path: Path }[] = []
  const never = () => new Promise<never>(() => undefined)
  const libp2p = Object.assign(events, {
    handle: async () => undefined,
    getConnections: () => open,
  }) as unknown as HolePunchDeps['libp2p']
  const punching: HolePunchDeps['punching'] = {
    hub: undefined,
    tcp: { facility: { state: 'active' }, punch: never },
  }
  const punch = new HolePunch({
    ...{ libp2p, clock, punching, log: silentLog, scope: 'global', dial: never },
    self: signerOf(1).peer,
    metrics: netMetrics(new Registry()),
    punchable: () => own,
    addressesOf: async () => announced,
    improved: (peer, path) => void improved.push({ peer, path }),
  })
  await punch.start()
  const opens = (connection: Connection) => {
    open.push(connection)
    events.dispatchEvent(new CustomEvent('connection:open', { detail: connection }))
    return connection
  }
  const closes = (connection: Connection) => {
    open.splice(open.indexOf(connection), 1)
    events.dispatchEvent(new CustomEvent('connection:close', { detail: connection }))
  }
  const streams: Awaited<ReturnType<typeof streamPair>>[] = []
  opens(
    connectionAt(CIRCUIT, {
      newStream: async () => {
        const pair = await streamPair()
        streams.push(pair)
        return pair[0]
      },
    }),
  )
  await clock.advance(300)
  /** Answers the newest question for addresses, up to the moment when both begin. */
  const agree = async (addresses = [THEIR_PORT]) => {
    const far = streams.at(-1)?.[1]
    assert.ok(far !== undefined)
    const frames = framesOf(far, DCUTR_MESSAGE_BYTES_MAX)
    const asked = decodeHolePunch(await frames.read(signal))
    await frames.write(encodeHolePunch({ type: 'connect', addresses }), signal)
    if (addresses.length === 0) return asked.addresses
    assert.equal(decodeHolePunch(await frames.read(signal)).type, 'sync')
    await clock.advance(1)
    return asked.addresses
  }
  return { clock, punch, opens, closes, agree, improved, streams }
}

test('both connections that come through a hole are punched, and later ones are not', async () => {
  const { clock, opens, agree, improved, punch } = await called()
  assert.deepEqual(await agree(), [OUR_PORT])
  const first = opens(connectionAt(THEIR_PORT))
  await clock.advance(1)
  const second = opens(connectionAt('/ip4/91.2.69.2/tcp/40000', { direction: 'outbound' }))
  assert.deepEqual([first, second].map(pathOf), ['punched', 'punched'])
  assert.deepEqual(improved, [{ peer: THEM, path: 'punched' }])
  assert.equal(punch.attempts()[0]?.outcome, 'connected')
  await clock.advance(6_000)
  assert.equal(pathOf(opens(connectionAt('/ip4/91.2.69.2/tcp/40001'))), 'direct')
  await punch.stop()
})

test('who is met at home meanwhile is met directly', async () => {
  const { clock, opens, agree, improved, punch } = await called()
  await agree()
  assert.equal(pathOf(opens(connectionAt('/ip4/192.168.1.7/tcp/9000'))), 'direct')
  await clock.advance(1)
  assert.deepEqual(improved, [{ peer: THEM, path: 'direct' }])
  await punch.stop()
})

test('a node that has TCP alone has three tries by it', async () => {
  const { clock, agree, punch, streams } = await called()
  for (let tries = 1; tries <= 3; tries += 1) {
    assert.equal(streams.length, tries)
    await agree()
    await clock.advance(3_000)
  }
  assert.equal(streams.length, 3)
  assert.deepEqual(
    punch.attempts().map(({ kind, outcome }) => `${kind} ${outcome}`),
    ['tcp failed', 'tcp failed', 'tcp failed'],
  )
  await punch.stop()
})

test('whoever was knocked at, and then tells nothing, has the whole rest', async () => {
  const { clock, agree, punch, streams } = await called()
  await agree()
  await clock.advance(3_000)
  await agree([])
  for (let i = 0; i < 28; i += 1) await clock.advance(1_000)
  assert.equal(streams.length, 2)
  for (let i = 0; i < 3; i += 1) await clock.advance(1_000)
  assert.equal(streams.length, 3)
  await punch.stop()
})

test('when the direct connection is lost and the circuit still stands, there is another round', async () => {
  const { clock, opens, closes, agree, punch, streams } = await called()
  await agree()
  const direct = opens(connectionAt(THEIR_PORT))
  await clock.advance(60_000)
  assert.equal(streams.length, 1)
  closes(direct)
  await clock.advance(300)
  assert.equal(streams.length, 2)
  await punch.stop()
})

test('a try that failed leaves no stream behind, though the other side leaves its own open', async () => {
  const { clock, agree, punch, streams } = await called()
  await agree()
  await clock.advance(3_000)
  const [near] = streams[0] ?? []
  assert.deepEqual([near?.readStatus, near?.writeStatus], ['closed', 'closed'])
  await punch.stop()
})

test('while the relay stays, there is another round after half a minute', async () => {
  const { clock, agree, punch, streams } = await called()
  for (let tries = 1; tries <= 3; tries += 1) {
    await agree()
    await clock.advance(3_000)
  }
  for (let i = 0; i < 31; i += 1) await clock.advance(1_000)
  assert.equal(streams.length, 4)
  await punch.stop()
})

type Answer = (stream: Stream, connection: Connection) => void

test('a node that knows no port of its own yet tries again soon', async () => {
  const own: string[] = []
  const { clock, punch, streams } = await called({ own })
  assert.equal(streams.length, 0)
  own.push(OUR_PORT)
  for (let i = 0; i < 3; i += 1) await clock.advance(1_000)
  assert.equal(streams.length, 1)
  await punch.stop()
})

test('whoever announces where it is not is not dialled again soon', async () => {
  const { clock, punch } = await called({ own: [], announced: [THEIR_PORT] })
  for (let i = 0; i < 20; i += 1) await clock.advance(1_000)
  assert.equal(punch.attempts().length, 1)
  for (let i = 0; i < 20; i += 1) await clock.advance(1_000)
  assert.equal(punch.attempts().length, 2)
  await punch.stop()
})

/** One of two that called each other, and what it answers streams with. */
async function oneOfTwo(self: PeerId, clock: FakeClock, punched: string[]) {
  const events = new EventTarget()
  const open: Connection[] = []
  const answers: Answer[] = []
  const never = () => new Promise<never>(() => undefined)
  const libp2p = Object.assign(events, {
    handle: async (_: string, answer: Answer) => void answers.push(answer),
    getConnections: () => open,
  }) as unknown as HolePunchDeps['libp2p']
  const knock: HolePunchDeps['punching']['tcp']['punch'] = (_, { role }) => {
    punched.push(`${self} ${role}`)
    return never()
  }
  const punch = new HolePunch({
    ...{ libp2p, self, clock, log: silentLog, scope: 'global', dial: never },
    punching: { hub: undefined, tcp: { facility: { state: 'active' }, punch: knock } },
    metrics: netMetrics(new Registry()),
    punchable: () => [self === THEM ? THEIR_PORT : OUR_PORT],
    addressesOf: async () => [],
    improved: () => undefined,
  })
  await punch.start()
  const called = (circuit: Connection) => {
    open.push(circuit)
    events.dispatchEvent(new CustomEvent('connection:open', { detail: circuit }))
  }
  return { answers, called, punch }
}

test('of two that have called each other only one begins', async () => {
  const clock = new FakeClock()
  const punched: string[] = []
  const peers = [signerOf(1).peer, THEM] as const
  const us = await oneOfTwo(peers[0], clock, punched)
  const them = await oneOfTwo(peers[1], clock, punched)
  const from = (peer: PeerId, rest: Partial<Connection>) => {
    const remotePeer = peerIdFromString(peer)
    return connectionAt(CIRCUIT, { remotePeer, ...rest })
  }
  const to = (side: typeof us, self: PeerId) => async () => {
    const [near, far] = await streamPair()
    side.answers[0]?.(far, from(self, { direction: 'outbound' }))
    return near
  }
  us.called(from(peers[1], { newStream: to(them, peers[0]) }))
  them.called(from(peers[0], { newStream: to(us, peers[1]) }))
  await clock.advance(300)
  for (let i = 0; i < 100; i += 1) await clock.advance(1)
  const [first, second] = peers.toSorted()
  assert.deepEqual(punched.toSorted(), [`${first} server`, `${second} client`])
  await Promise.all([us.punch.stop(), them.punch.stop()])
})

test('whoever gives way asks no more itself', async () => {
  const clock = new FakeClock()
  const [small, large] = [signerOf(1).peer, THEM].toSorted() as [PeerId, PeerId]
  const us = await oneOfTwo(large, clock, [])
  const remotePeer = peerIdFromString(small)
  const asked: unknown[] = []
  const newStream = async () => {
    const pair = await streamPair()
    asked.push(pair[1])
    return pair[0]
  }
  us.called(connectionAt(CIRCUIT, { remotePeer, newStream }))
  await clock.advance(300)
  assert.equal(asked.length, 1)
  const [near, far] = await streamPair()
  us.answers[0]?.(far, connectionAt(CIRCUIT, { remotePeer, direction: 'outbound' }))
  const frames = framesOf(near, DCUTR_MESSAGE_BYTES_MAX)
  await frames.write(encodeHolePunch({ type: 'connect', addresses: [OUR_PORT] }), signal)
  assert.equal(decodeHolePunch(await frames.read(signal)).type, 'connect')
  for (let i = 0; i < 25; i += 1) await clock.advance(1_000)
  assert.equal(asked.length, 1)
  await us.punch.stop()
})

test('nobody who called us makes us dial where it says', async () => {
  const clock = new FakeClock()
  const punched: string[] = []
  const us = await oneOfTwo(signerOf(1).peer, clock, punched)
  const ways = [
    connectionAt(CIRCUIT),
    connectionAt(OUR_PORT, { direction: 'outbound' }),
    connectionAt(CIRCUIT, { direction: 'outbound' }),
  ]
  const outcomes: string[] = []
  for (const way of ways) {
    const [near, far] = await streamPair()
    us.answers[0]?.(far, way)
    const frames = framesOf(near, DCUTR_MESSAGE_BYTES_MAX)
    const connect = encodeHolePunch({ type: 'connect', addresses: [THEIR_PORT] })
    const answer = frames.write(connect, signal).then(() => frames.read(signal))
    outcomes.push(
      await answer.then(
        () => 'answered',
        () => 'refused',
      ),
    )
  }
  assert.deepEqual(outcomes, ['refused', 'refused', 'answered'])
  await us.punch.stop()
})
