import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Schedule } from './schedule.ts'

interface Task {
  readonly to: string
  readonly n: number
}

const PLACES = { all: 8, perRecipient: 2 }
const tasks = (count: number, to = (n: number) => `peer ${n}`): Task[] =>
  Array.from({ length: count }, (_, n) => ({ to: to(n), n }))

function begun(schedule: Schedule<Task>, nowMs: number): number[] {
  const found: number[] = []
  for (let task = schedule.next(nowMs); task !== undefined; task = schedule.next(nowMs)) {
    found.push(task.n)
  }
  return found
}

test('who is due longest is first, and nobody before the time', () => {
  const schedule = new Schedule<Task>(PLACES)
  const all = tasks(5)
  for (const task of all) schedule.plan(task, { ...task, dueMs: 50 - task.n * 10, isAgain: false })
  assert.deepEqual(begun(schedule, 25), [4, 3])
  assert.equal(schedule.dueMs(25), 30)
  assert.deepEqual(begun(schedule, 50), [2, 1, 0])
  assert.deepEqual([schedule.dueMs(50), schedule.busy], [undefined, 5])
})

test('one recipient has so many places, and the next of it goes when one has ended', () => {
  const schedule = new Schedule<Task>(PLACES)
  const all = tasks(6, (n) => (n === 4 ? 'other' : 'one'))
  for (const task of all) schedule.plan(task, { ...task, dueMs: 0, isAgain: true })
  assert.deepEqual(begun(schedule, 0), [0, 1, 4])
  const [first, , dropped] = all
  assert.ok(first && dropped)
  schedule.drop(dropped)
  assert.equal(schedule.begin(dropped), false)
  schedule.end(first)
  schedule.end(first)
  assert.deepEqual(begun(schedule, 0), [3])
})

test('what is tried again leaves places for what is new, and the other way round', () => {
  for (const isAgain of [true, false]) {
    const schedule = new Schedule<Task>(PLACES)
    for (const task of tasks(20)) schedule.plan(task, { ...task, dueMs: 0, isAgain })
    assert.equal(begun(schedule, 0).length, 6)
    const one = { to: 'a friend', n: 99 }
    schedule.plan(one, { ...one, dueMs: 1, isAgain: !isAgain })
    assert.deepEqual(begun(schedule, 1), [99])
  }
})

test('a clock that is set back puts nothing off', () => {
  const schedule = new Schedule<Task>(PLACES)
  const [one, two] = tasks(2)
  assert.ok(one && two)
  schedule.plan(one, { ...one, dueMs: 3_600_500, isAgain: true })
  schedule.plan(two, { ...two, dueMs: 3_600_200, isAgain: true })
  assert.equal(schedule.next(3_600_000), undefined)
  assert.equal(schedule.next(0), undefined)
  assert.deepEqual(begun(schedule, 500), [1, 0])
})

test('whatever is planned, dropped, begun and ended: all have their turn, within the places', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('plan'), n: fc.nat(30), at: fc.nat(40), isAgain: fc.boolean() }),
    fc.record({ do: fc.constantFrom('drop', 'begin', 'end'), n: fc.nat(30) }),
    fc.record({ do: fc.constant('next'), n: fc.nat(60) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const schedule = new Schedule<Task>(PLACES)
      const all = tasks(31, (n) => `peer ${n % 7}`)
      const planned = new Map<Task, number>()
      const busy = new Set<Task>()
      let nowMs = 0
      const check = () => {
        assert.equal(schedule.busy, busy.size)
        assert.ok(busy.size <= PLACES.all)
        for (const { to } of busy) {
          assert.ok([...busy].filter((other) => other.to === to).length <= PLACES.perRecipient)
        }
      }
      const start = (task: Task) => {
        assert.ok(planned.has(task) && !busy.has(task))
        planned.delete(task)
        busy.add(task)
      }
      for (const one of steps) {
        const task = all[one.n % all.length] as Task
        if ('at' in one) {
          schedule.plan(task, { to: task.to, dueMs: nowMs + one.at, isAgain: one.isAgain })
          if (!busy.has(task)) planned.set(task, nowMs + one.at)
        } else if (one.do === 'drop') {
          schedule.drop(task)
          planned.delete(task)
        } else if (one.do === 'begin') {
          if (schedule.begin(task)) start(task)
        } else if (one.do === 'end') {
          schedule.end(task)
          busy.delete(task)
        } else {
          nowMs += one.n
          for (let next = schedule.next(nowMs); next; next = schedule.next(nowMs)) {
            assert.ok((planned.get(next) ?? Number.POSITIVE_INFINITY) <= nowMs)
            start(next)
          }
        }
        check()
      }
      for (let rounds = 0; rounds < 40; rounds += 1) {
        for (const task of busy) schedule.end(task)
        busy.clear()
        nowMs += 100
        for (let next = schedule.next(nowMs); next; next = schedule.next(nowMs)) start(next)
        check()
      }
      assert.equal(planned.size, 0)
    }),
    { numRuns: 300 },
  )
})
