import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { RelayRoom } from './relay-room.ts'

const [a, b] = ['a', 'b'].map((name) => generateKeys(seededRandom(name)).signer.peer)
assert.ok(a !== undefined && b !== undefined)
const LIMITS = { perPeerMax: 2, max: 3, bytesPerPeerMax: 100, bytesMax: 150 }
const BUSY = { code: 'MCP_BUSY' }

test('places are few for each peer, and in all, and come back', () => {
  const room = new RelayRoom(new FakeClock(), LIMITS)
  const first = room.take(a)
  room.take(a)
  assert.throws(() => room.take(a), BUSY)
  room.take(b)
  assert.throws(() => room.take(b), BUSY)
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  room.take(b)
  assert.throws(() => room.take(b), BUSY)
})

test('bytes are few in a minute, for each peer and in all; an answer passes and is missed', async () => {
  const clock = new FakeClock()
  const room = new RelayRoom(clock, LIMITS)
  const [mine, others] = [room.take(a), room.take(b)]
  mine.spend(60)
  assert.throws(() => mine.spend(50), BUSY)
  mine.overdraw(50)
  assert.throws(() => mine.spend(1), BUSY)
  assert.throws(() => others.spend(50), BUSY)
  others.spend(40)
  await clock.advance(60_000)
  mine.spend(100)
  others.spend(50)
})
