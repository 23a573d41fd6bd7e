/** The hash of everything that happened. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Trace, type TraceEvent } from './trace.ts'

const EVENT: TraceEvent = { elapsedMs: 12.5, from: 1, to: 2, bytes: 100, kind: 'data' }

function hashOf(events: readonly TraceEvent[]): string {
  const trace = new Trace()
  for (const event of events) trace.note(event)
  return trace.digest()
}

test('digest() is the same for the same events and changes with each part of one', () => {
  const others: TraceEvent[] = [
    { ...EVENT, elapsedMs: 12.501 },
    { ...EVENT, from: 3 },
    { ...EVENT, to: 3 },
    { ...EVENT, bytes: 101 },
    { ...EVENT, kind: 'datagram' },
  ]
  assert.equal(hashOf([EVENT]), hashOf([EVENT]))
  assert.equal(new Set([EVENT, ...others].map((event) => hashOf([event]))).size, 6)
})

test('digest() knows the order of events, also of many', () => {
  const many = Array.from({ length: 5_000 }, (_, i) => ({ ...EVENT, elapsedMs: i }))
  const swapped = many.with(4_000, many[4_001] ?? EVENT).with(4_001, many[4_000] ?? EVENT)
  assert.equal(hashOf(many), hashOf([...many]))
  assert.notEqual(hashOf(many), hashOf(swapped))
})

test('count() counts by kind, and digest() in between changes nothing', () => {
  const trace = new Trace()
  trace.note(EVENT)
  const early = trace.digest()
  trace.note({ ...EVENT, kind: 'lost' })
  assert.equal(trace.count('data'), 1)
  assert.equal(trace.count('lost'), 1)
  assert.equal(trace.count('reset'), 0)
  assert.equal(early, hashOf([EVENT]))
  assert.equal(trace.digest(), hashOf([EVENT, { ...EVENT, kind: 'lost' }]))
})
