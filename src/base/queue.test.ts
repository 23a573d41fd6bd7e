import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { coded } from '../../test/support/expect.ts'
import { WorkQueue } from './queue.ts'

function setup(concurrentMax: number, waitingMax: number) {
  const queue = new WorkQueue({ name: 'calls', concurrentMax, waitingMax })
  const begun: number[] = []
  const ends: (() => void)[] = []
  const work = (n: number) => () => {
    begun.push(n)
    return new Promise<number>((resolve) => ends.push(() => resolve(n)))
  }
  return { queue, begun, ends, run: (n: number) => queue.run(work(n)) }
}

test('so many run, so many wait, and the next is refused at once', async () => {
  const { queue, begun, ends, run } = setup(2, 1)
  const all = [run(1), run(2), run(3)]
  await setImmediate()
  assert.deepEqual([queue.running, queue.waiting, begun.length], [2, 1, 2])
  await assert.rejects(run(4), (error) => {
    assert.ok(coded('BASE_BUSY')(error))
    assert.match(String(error), /"calls": 1 wait already and the limit is 1/)
    return true
  })
  for (const end of ends) end()
  await setImmediate()
  ends.at(-1)?.()
  assert.deepEqual(await Promise.all(all), [1, 2, 3])
  assert.deepEqual(begun, [1, 2, 3])
  assert.deepEqual([queue.running, queue.waiting], [0, 0])
})

test('work asked for in one breath is counted as well', async () => {
  const { run, ends } = setup(1, 0)
  const first = run(1)
  await assert.rejects(run(2), coded('BASE_BUSY'))
  await setImmediate()
  ends[0]?.()
  assert.equal(await first, 1)
})

test('work that fails passes its error on and makes room', async () => {
  const { queue } = setup(1, 0)
  await assert.rejects(
    queue.run(() => Promise.reject(new TypeError('broken'))),
    /broken/,
  )
  assert.equal(await queue.run(async () => 'next'), 'next')
})
