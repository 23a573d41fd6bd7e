import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type FrameKind, PeerQueue } from './peer-queue.ts'

const drain = <Frame>(queue: PeerQueue<Frame>) => {
  const frames: Frame[] = []
  for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) frames.push(frame)
  return frames
}

test('frames leave in the order in which they came, whatever they are', () => {
  const queue = new PeerQueue<number>({ framesMax: 10, bytesMax: 100 })
  const kinds: FrameKind[] = ['own', 'control', 'passing', 'own', 'passing', 'control']
  for (const [i, kind] of kinds.entries()) queue.push(i, kind, 10)
  assert.deepEqual([queue.size, queue.bytes], [6, 60])
  assert.deepEqual(drain(queue), [0, 1, 2, 3, 4, 5])
  assert.deepEqual([queue.size, queue.bytes, queue.shift()], [0, 0, undefined])
})

test('the oldest that passes by goes first, then the oldest of our own, never control', () => {
  const queue = new PeerQueue<string>({ framesMax: 3, bytesMax: 1_000 })
  assert.deepEqual(queue.push('c1', 'control', 1), { dropped: 0, isOver: false })
  queue.push('o1', 'own', 1)
  queue.push('p1', 'passing', 1)
  assert.deepEqual(queue.push('o2', 'own', 1), { dropped: 1, isOver: false })
  assert.deepEqual(queue.push('p2', 'passing', 1), { dropped: 1, isOver: false }, 'itself')
  assert.deepEqual(queue.push('c2', 'control', 1), { dropped: 1, isOver: false })
  assert.deepEqual(drain(queue), ['c1', 'o2', 'c2'])
})

test('bytes are bounded as frames are; what alone is too large is not kept', () => {
  const queue = new PeerQueue<string>({ framesMax: 100, bytesMax: 10 })
  queue.push('a', 'passing', 6)
  assert.deepEqual(queue.push('b', 'passing', 5), { dropped: 1, isOver: false })
  assert.deepEqual(queue.push('huge', 'own', 11), { dropped: 2, isOver: false })
  assert.deepEqual([queue.size, queue.bytes], [0, 0])
})

test('too much that must not be dropped is said', () => {
  const queue = new PeerQueue<string>({ framesMax: 1, bytesMax: 10 })
  queue.push('a', 'control', 1)
  assert.deepEqual(queue.push('b', 'control', 1), { dropped: 0, isOver: true })
})

test('whatever is pushed, the limits hold, and nothing is lost that is not said', () => {
  const kind = fc.constantFrom<FrameKind>('control', 'own', 'passing')
  const pushes = fc.array(fc.tuple(kind, fc.nat(8)), { maxLength: 60 })
  const property = fc.property(pushes, (list) => {
    const queue = new PeerQueue<number>({ framesMax: 7, bytesMax: 30 })
    let dropped = 0
    for (const [i, [one, bytes]] of list.entries()) {
      const pushed = queue.push(i, one, bytes)
      dropped += pushed.dropped
      assert.equal(pushed.isOver, queue.size > 7 || queue.bytes > 30)
      // Over its limits it holds nothing that could have been dropped.
      const controls = list.slice(0, i + 1).filter(([each]) => each === 'control').length
      if (pushed.isOver) assert.equal(queue.size, controls)
    }
    const left = drain(queue)
    assert.equal(left.length + dropped, list.length)
    assert.deepEqual(
      left,
      left.toSorted((x, y) => x - y),
    )
    const controls = list.flatMap(([one], i) => (one === 'control' ? [i] : []))
    assert.deepEqual(
      left.filter((i) => list[i]?.[0] === 'control'),
      controls,
    )
  })
  fc.assert(property)
})
