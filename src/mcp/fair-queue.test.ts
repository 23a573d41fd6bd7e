import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FairQueue, type FairQueueLimits, type Place } from './fair-queue.ts'

const LIMITS = {
  waitingMax: 1_000,
  waitingPerPeerMax: 4,
  bytesMax: 10_000,
  bytesPerPeerMax: 100,
}

function queueOf(max: number, limits: Partial<FairQueueLimits> = {}) {
  return new FairQueue({ ...LIMITS, max: () => max, ...limits })
}

/** Enters requests and notes who started, in order. */
function setup(max: number, limits: Partial<FairQueueLimits> = {}) {
  const queue = queueOf(max, limits)
  const started: string[] = []
  const ask = (peer: string, tool = 'echo', { service = 's', bytes = 1 } = {}): Place => {
    const name = `${peer} ${tool}`
    const start = () => void started.push(name)
    const place = queue.enter({ peer, service, tool, bytes, start })
    if (place.started) started.push(name)
    return place
  }
  const crowd = (count: number, peer: string, tool?: string, options = {}) => {
    return Array.from({ length: count }, () => ask(peer, tool, options))
  }
  const holds = (places: readonly Place[]) => places.filter((place) => place.started).length
  return { queue, started, ask, crowd, holds }
}

test('a peer at one tool has half of the places, and the next finds some at once', () => {
  const { queue, crowd, ask, holds } = setup(100)
  assert.equal(holds(crowd(200, 'greedy')), 50)
  assert.equal(queue.waiting, 150)
  assert.equal(ask('other', 'else', { service: 'o' }).started, true)
})

test('one peer never has all places of a tool that others want', () => {
  for (const max of [3, 5, 8, 10, 20, 64, 100, 1_000]) {
    const { crowd, holds } = setup(max)
    const stuck = holds(crowd(2 * max, 'greedy', 'wanted'))
    assert.ok(stuck <= Math.ceil(max / 2), `${stuck} of ${max}`)
    const next = holds(crowd(max, 'next', 'wanted'))
    assert.ok(next >= Math.max(1, Math.floor(max / 10)), `${next} of ${max}`)
  }
})

test('with two places one is kept for somebody else, and a single one goes to whoever is first', () => {
  const two = setup(2)
  assert.equal(two.holds(two.crowd(5, 'a', 't')), 1)
  assert.equal(two.ask('b', 'u', { service: 'o' }).started, true)
  const one = setup(1)
  assert.equal(one.ask('a').started, true)
  assert.equal(one.ask('b').started, false)
})

test('calls of a stuck tool leave places to other tools of the same peers and service', () => {
  const { crowd, holds, queue } = setup(100)
  const peers = ['a', 'b', 'c', 'd', 'e']
  const stuck = peers.flatMap((peer) => crowd(40, peer, 'stuck'))
  assert.equal(holds(stuck), 66)
  const first = crowd(3, 'a', 'echo')
  assert.equal(holds(first), 3)
  for (const place of first) place.leave()
  assert.equal(holds(stuck), 66, 'what waits of the stuck tool takes nothing that came free')
  assert.equal(queue.inWork, 66)
})

test('a peer that calls many tools of many services leaves places to the next peer', () => {
  const { queue, holds } = setup(100)
  const asked = { bytes: 1, start: () => undefined }
  const greedy = Array.from({ length: 100 }, (_, i) => {
    return queue.enter({ ...asked, peer: 'greedy', service: `s${i % 9}`, tool: `t${i}` })
  })
  assert.equal(holds(greedy), 90)
  assert.equal(queue.enter({ ...asked, peer: 'b', service: 's1', tool: 't1' }).started, true)
})

test('a stuck service leaves places to the other services, whatever its tools are called', () => {
  const { queue, holds } = setup(100)
  const start = () => undefined
  const asked = { peer: 'a', bytes: 1, start }
  const stuck = Array.from({ length: 100 }, (_, i) => {
    return queue.enter({ ...asked, peer: `p${i}`, service: 'stuck', tool: `t${i}` })
  })
  assert.equal(holds(stuck), 90)
  assert.equal(queue.enter({ ...asked, service: 'other', tool: 't' }).started, true)
})

test('who waits is served in turn: one of each peer, one of each tool', () => {
  const { started, crowd, ask } = setup(1)
  const first = ask('x')
  const waiting = [...crowd(3, 'a', 'one'), ask('a', 'two'), ask('b'), ask('c')]
  let next: Place | undefined = first
  while (next !== undefined) {
    next.leave()
    next = waiting.find((place) => place.started)
  }
  assert.deepEqual(started.slice(1), ['a one', 'b echo', 'c echo', 'a two', 'a one', 'a one'])
})

test('a peer is held back at its bound, in number and in bytes, and told when there is room', async () => {
  const { queue, ask, crowd } = setup(1)
  const first = ask('x')
  const many = crowd(4, 'a')
  const room = queue.room('a')
  assert.notEqual(room, undefined)
  assert.equal(queue.room('b'), undefined)
  ask('b', 'echo', { bytes: 5_000 })
  assert.notEqual(queue.room('b'), undefined, 'one frame of any size waits, and no second one')
  many[3]?.leave()
  await room
  assert.equal(queue.room('a'), undefined)
  first.leave()
})

test('when too much waits in all, whoever has something waiting is held back', () => {
  const { queue, ask } = setup(1, { waitingMax: 2 })
  ask('x')
  ask('a')
  assert.equal(queue.room('a'), undefined)
  ask('b')
  assert.notEqual(queue.room('a'), undefined)
  assert.equal(queue.room('c'), undefined, 'who has nothing waiting may have one')
})

const step = fc.record({
  peer: fc.constantFrom('a', 'b', 'c', 'd'),
  service: fc.constantFrom('s', 't'),
  tool: fc.constantFrom('u', 'v'),
  bytes: fc.nat(200),
  /** Which of the places given so far leaves before; none when beyond. */
  leaves: fc.nat(60),
})

test('never more than there are places, everybody is served, and nothing is left over', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(step, { maxLength: 120 }),
      (max, steps) => {
        const queue = queueOf(max)
        const places: Place[] = []
        const served = new Set<number>()
        for (const [i, { leaves, ...asked }] of steps.entries()) {
          const place = queue.enter({ ...asked, start: () => void served.add(i) })
          if (place.started) served.add(i)
          places.push(place)
          const other = leaves < places.length ? places[leaves] : undefined
          if (other !== undefined && !other.started) served.add(leaves)
          other?.leave()
          assert.ok(queue.inWork <= max)
          assert.ok(queue.inWork > 0 || queue.waiting === 0, 'nobody waits for nothing')
          const started = places.filter((each) => each.started).length
          assert.equal(queue.inWork, started)
        }
        // Whoever is in work ends: all who wait have their turn, and no account stays.
        for (let rounds = 0; queue.inWork > 0 && rounds <= steps.length; rounds += 1) {
          places.find((place) => place.started)?.leave()
        }
        assert.equal(served.size, steps.length)
        assert.deepEqual(
          [queue.inWork, queue.waiting, queue.waitingBytes, queue.accounts],
          [0, 0, 0, 0],
        )
      },
    ),
  )
})

test('a peer that asks a little is not behind one that asks much', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), (much, max) => {
      const { crowd, ask } = setup(max)
      const greedy = crowd(much + max, 'greedy')
      const modest = ask('modest')
      let ended = 0
      while (!modest.started) {
        greedy.find((place) => place.started)?.leave()
        ended += 1
        assert.ok(ended <= 2, 'it waits for no more than two of them to end')
      }
    }),
  )
})
