import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { give, RESOURCES, type Resource, Scope, take } from './resource-scopes.ts'

test('take() takes from all scopes or from none, and says which has too little', () => {
  const peer = new Scope('peer', 'a', { memoryBytes: 10 })
  const system = new Scope('system', '', { memoryBytes: 100 })
  assert.equal(take([system, peer], 'memoryBytes', 8), undefined)
  assert.deepEqual(take([system, peer], 'memoryBytes', 3), {
    scope: 'peer',
    resource: 'memoryBytes',
    used: 8,
    limit: 10,
  })
  assert.equal(system.used('memoryBytes'), 8)
  give([system, peer], 'memoryBytes', 8)
  assert.ok(system.isIdle && peer.isIdle)
})

test('both directions together have a limit of their own', () => {
  const scope = new Scope('system', '', { streams: 3, streamsIn: 2 })
  assert.equal(take([scope], 'streamsIn', 2), undefined)
  assert.equal(take([scope], 'streamsIn', 1)?.resource, 'streamsIn')
  assert.equal(take([scope], 'streamsOut', 1), undefined)
  assert.deepEqual(take([scope], 'streamsOut', 1), {
    scope: 'system',
    resource: 'streams',
    used: 3,
    limit: 3,
  })
})

test('a limit that changes is the limit of the next question', () => {
  const limits = { memoryBytes: 1 }
  const scope = new Scope('system', '', limits)
  assert.ok(take([scope], 'memoryBytes', 2) !== undefined)
  limits.memoryBytes = 2
  assert.equal(take([scope], 'memoryBytes', 2), undefined)
})

test('to give back more than was taken is a mistake of ours', () => {
  assert.throws(() => give([new Scope('system', '', {})], 'streamsIn', 1))
})

test('whatever is taken and given back, no limit is passed and the end is zero', () => {
  const step = fc.record({
    resource: fc.constantFrom<Resource>(...RESOURCES),
    amount: fc.integer({ min: 0, max: 50 }),
    among: fc.subarray([0, 1, 2], { minLength: 1 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const scopes = [40, 80, 120].map((most, i) => {
        return new Scope('peer', String(i), { memoryBytes: most, streams: most, streamsIn: 30 })
      })
      const taken: (() => void)[] = []
      for (const { resource, amount, among } of steps) {
        const from = among.map((i) => scopes[i]).filter((scope) => scope !== undefined)
        const before = from.map((scope) => scope.used(resource))
        if (take(from, resource, amount) === undefined) {
          taken.push(() => give(from, resource, amount))
        } else {
          assert.deepEqual(
            from.map((scope) => scope.used(resource)),
            before,
          )
        }
        for (const scope of scopes) {
          const { memoryBytes = 0, streams = 0 } = scope.limits
          assert.ok(scope.used('memoryBytes') <= memoryBytes)
          assert.ok(scope.used('streamsIn') + scope.used('streamsOut') <= streams)
        }
      }
      for (const undo of taken) undo()
      assert.ok(scopes.every(({ isIdle }) => isIdle))
    }),
  )
})
