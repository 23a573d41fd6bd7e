import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom } from '../base/index.ts'
import { type PeerId, peerIdFromBytes } from '../identity/index.ts'
import { LINK_DIALS_PER_MINUTE, LinkCandidates } from './link-candidates.ts'

const idOf = (n: number): PeerId => {
  const bytes = new Uint8Array(34)
  bytes.set([0x12, 0x20, n >> 8, n & 255])
  return peerIdFromBytes(bytes)
}

function setup() {
  const clock = new FakeClock()
  const stop = new AbortController()
  const candidates = new LinkCandidates({ clock, random: seededRandom('candidates') })
  return { clock, stop, candidates }
}

test('next() waits for a candidate and joins what was said of it', async () => {
  const { candidates, stop } = setup()
  const next = candidates.next(stop.signal)
  candidates.add(idOf(1), ['/ip4/10.0.0.1/tcp/1'])
  candidates.add(idOf(1), ['/ip4/10.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/2'])
  const addresses = ['/ip4/10.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/2']
  assert.deepEqual(await next, { peer: idOf(1), addresses })
})

test('next() gives up when aborted', async () => {
  const { candidates, stop } = setup()
  const next = candidates.next(stop.signal)
  stop.abort()
  assert.equal(await next, undefined)
})

test('the bag has a bound, for peers and for addresses', async () => {
  const { candidates, stop } = setup()
  const many = Array.from({ length: 50 }, (_, i) => `/ip4/10.0.0.1/tcp/${i + 1}`)
  for (let i = 0; i < 10_000; i += 1) candidates.add(idOf(i), many)
  let count = 0
  for (; count < 64; count += 1) {
    const candidate = await candidates.next(stop.signal)
    assert.equal(candidate?.addresses.length, 8)
  }
  const none = candidates.next(stop.signal)
  stop.abort()
  assert.equal(await none, undefined)
})

test('grant() allows so many dials in any minute', async () => {
  const { candidates, clock, stop } = setup()
  let granted = 0
  const take = async () => {
    for (;;) {
      await candidates.grant(stop.signal)
      granted += 1
    }
  }
  const all = [take(), take(), take()].map((work) => work.catch(() => undefined))
  await clock.advance(59_999)
  assert.equal(granted, LINK_DIALS_PER_MINUTE)
  await clock.advance(1)
  assert.equal(granted, 2 * LINK_DIALS_PER_MINUTE)
  stop.abort()
  await Promise.all(all)
})
