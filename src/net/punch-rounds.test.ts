import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type Outcome, PunchRounds } from './punch-rounds.ts'

const RELAY = signerOf(9).peer
const [SMALL, LARGE] = [signerOf(1).peer, signerOf(2).peer].toSorted() as [PeerId, PeerId]
const CIRCUIT = `/ip4/5.9.77.10/tcp/9000/p2p/${RELAY}/p2p-circuit`

interface Begun {
  readonly atSeconds: number
  readonly peer: PeerId
  readonly circuit: Connection
  readonly signal: AbortSignal
  end(outcome: Outcome | Error): void
}

/** Rounds of a node that others call through a relay; they end with `outcome`, or when told to. */
function rounds(outcome?: Outcome | Error, self: PeerId = SMALL) {
  const clock = new FakeClock()
  const open: Connection[] = []
  const began: Begun[] = []
  const punch = new PunchRounds({
    libp2p: {
      getConnections: (peer) => open.filter((one) => peer && one.remotePeer.equals(peer)),
    },
    ...{ self, clock, log: silentLog },
    upgrade: (circuit, peer, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
      const end = (what: Outcome | Error) => {
        if (what instanceof Error) reject(what)
        else resolve(what)
      }
      signal.addEventListener('abort', () => end(signal.reason as Error))
      began.push({ atSeconds: clock.now() / 1_000, peer, circuit, signal, end })
      if (outcome !== undefined) end(outcome)
      return promise
    },
  })
  const connect = (address: string, peer = LARGE, direction = 'inbound') => {
    const remotePeer = peerIdFromString(peer)
    const facts = { remotePeer, remoteAddr: multiaddr(address), direction, status: 'open' }
    const connection = facts as unknown as Connection
    open.push(connection)
    return connection
  }
  const called = (peer = LARGE) => {
    const circuit = connect(CIRCUIT, peer)
    punch.called(peer)
    return circuit
  }
  const wait = async (seconds: number) => {
    for (let i = 0; i < seconds; i += 1) await clock.advance(1_000)
  }
  const seconds = () => began.map(({ atSeconds }) => atSeconds)
  return { clock, punch, open, began, connect, called, wait, seconds }
}

test('what failed is tried again after half a minute, then every five minutes', async () => {
  const { punch, called, wait, seconds } = rounds('relayed')
  called()
  await wait(700)
  assert.deepEqual(seconds(), [0, 30, 330, 630])
  await punch.stop()
})

test('what came too early is tried again after two seconds', async () => {
  const { punch, called, wait, seconds } = rounds('too early')
  called()
  await wait(400)
  assert.deepEqual(seconds(), [0, 2, 32, 332])
  await punch.stop()
})

test('a fault in a round is a round that failed', async () => {
  const { punch, called, wait, seconds } = rounds(new Error('broken'))
  called()
  await wait(40)
  assert.deepEqual(seconds(), [0, 30])
  await punch.stop()
})

test('whoever calls again is tried at once, but not within half a minute of a failure', async () => {
  const { punch, open, called, wait, seconds } = rounds('relayed')
  called()
  for (let calls = 0; calls < 5; calls += 1) {
    await wait(1)
    open.length = 0
    called()
  }
  assert.deepEqual(seconds(), [0], 'five calls in five seconds')
  await wait(100)
  assert.deepEqual(seconds(), [0, 30])
  called()
  assert.deepEqual(seconds(), [0, 30, 105])
  await punch.stop()
})

test('what came too early is tried at once when the peer calls again', async () => {
  const { punch, called, wait, seconds } = rounds('too early')
  called()
  await wait(10)
  called()
  assert.deepEqual(seconds(), [0, 2, 10])
  await wait(25)
  assert.deepEqual(seconds(), [0, 2, 10, 12], 'and what was due before is called off')
  await punch.stop()
})

test('a success is followed by as long a rest as a failure', async () => {
  const { punch, open, called, wait, seconds } = rounds('direct')
  called()
  await wait(1)
  open.length = 0
  called()
  await wait(20)
  assert.deepEqual(seconds(), [0])
  await wait(20)
  assert.deepEqual(seconds(), [0, 31])
  await punch.stop()
})

test('the newest circuit by which the peer called is used, and none that we called', async () => {
  const { punch, connect, called, began } = rounds('relayed')
  connect(CIRCUIT, LARGE, 'outbound')
  punch.called(LARGE)
  assert.equal(began.length, 0)
  connect(CIRCUIT)
  const newest = called()
  assert.equal(began[0]?.circuit, newest)
  await punch.stop()
})

test('there is no other round when the circuit is gone, or no longer needed', async () => {
  for (const end of ['gone', 'direct', 'stopped']) {
    const { clock, punch, open, connect, called, wait, seconds } = rounds('relayed')
    called()
    await wait(1)
    if (end === 'gone') open.length = 0
    if (end === 'direct') connect('/ip4/91.2.69.2/tcp/9000')
    if (end === 'stopped') await punch.stop()
    if (end === 'stopped') assert.equal(clock.waiting, 0, 'nothing keeps the process up')
    await wait(40)
    assert.deepEqual(seconds(), [0], end)
    await punch.stop()
  }
})

test('nobody is tried twice at once, and stop() ends what runs', async () => {
  const { punch, called, wait, began } = rounds()
  called()
  called()
  await wait(1)
  assert.equal(began.length, 1)
  const stopped = punch.stop()
  assert.equal(began[0]?.signal.aborted, true)
  await stopped
  called()
  assert.equal(began.length, 1)
})

test('of two that have begun with each other one gives way', async () => {
  const small = rounds(undefined, SMALL)
  small.called(LARGE)
  assert.equal(small.punch.givesWay(LARGE), false)
  assert.equal(small.began[0]?.signal.aborted, false)
  const large = rounds(undefined, LARGE)
  assert.equal(large.punch.givesWay(SMALL), true)
  large.called(SMALL)
  assert.equal(large.punch.givesWay(SMALL), true)
  assert.match(String(large.began[0]?.signal.reason), /the other side has begun as well/)
  await large.wait(20)
  assert.deepEqual(large.seconds(), [0], 'and begins again only after a while')
  await large.wait(20)
  assert.deepEqual(large.seconds(), [0, 30])
  await Promise.all([small.punch.stop(), large.punch.stop()])
})

test('so many rounds at a time; who finds no place has one soon, as if nothing had been', async () => {
  const { punch, called, wait, began, seconds } = rounds()
  for (let i = 0; i < 18; i += 1) called(signerOf(100 + i).peer)
  await wait(5)
  assert.equal(began.length, 16)
  began[0]?.end('relayed')
  began[1]?.end('relayed')
  await wait(2)
  assert.equal(began.length, 18)
  began[16]?.end('too early')
  await wait(3)
  assert.equal(seconds().length, 19, 'its second round comes two seconds after its first')
  await punch.stop()
})

test('no more than so many wait for another round', async () => {
  const { clock, punch, called, began } = rounds('relayed')
  for (let i = 0; i < 600; i += 1) {
    called(signerOf(100 + i).peer)
    await clock.advance(1)
  }
  assert.equal(began.length, 600)
  assert.equal(clock.waiting, 512)
  await punch.stop()
  assert.equal(clock.waiting, 0)
})
