import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { raceTries, type Try } from './dial-race.ts'

/** Tries that answer after so many milliseconds; a negative number is a failure after as many. */
function setup(delaysMs: readonly number[]) {
  const clock = new FakeClock()
  const stop = new AbortController()
  const begun: [index: number, atMs: number][] = []
  const calledOff: number[] = []
  const discarded: number[] = []
  const tries = delaysMs.map(
    (delayMs, index): Try<number> =>
      async (signal) => {
        begun.push([index, clock.now()])
        signal.addEventListener('abort', () => calledOff.push(index))
        await clock.sleep(Math.abs(delayMs), signal)
        if (delayMs < 0) throw new TypeError(`try ${index} failed`)
        return index
      },
  )
  const options = { clock, signal: stop.signal, discard: (late: number) => discarded.push(late) }
  return { clock, stop, begun, calledOff, discarded, run: () => raceTries(tries, options) }
}

test('a first try that answers in time is the only one', async () => {
  const { clock, begun, run } = setup([249, 1])
  const race = run()
  await clock.advance(249)
  assert.deepEqual(await race, { won: 0, begun: 1, failures: new Map() })
  assert.deepEqual(begun, [[0, 0]])
  assert.equal(clock.waiting, 0)
})

test('the next try begins after 250 ms, and the first to answer wins', async () => {
  const { clock, begun, calledOff, run } = setup([5_000, 100, 1])
  const race = run()
  await clock.advance(350)
  assert.equal((await race).won, 1)
  assert.deepEqual(begun, [
    [0, 0],
    [1, 250],
  ])
  assert.ok(calledOff.includes(0))
  await clock.advance(0)
  assert.equal(clock.waiting, 0)
})

test('the next try begins at once when one fails', async () => {
  const { clock, begun, run } = setup([-10, -10, 10])
  const race = run()
  await clock.advance(30)
  assert.equal((await race).won, 2)
  assert.deepEqual(
    begun.map(([, atMs]) => atMs),
    [0, 10, 20],
  )
})

test('no more than four run at once', async () => {
  const { clock, begun, run } = setup([-5_000, -5_000, -5_000, -5_000, -5_000, -5_000])
  const race = run()
  await clock.advance(4_999)
  assert.equal(begun.length, 4)
  await clock.advance(6_000)
  const { won, failures } = await race
  assert.equal(won, undefined)
  assert.deepEqual([...failures.keys()].toSorted(), [0, 1, 2, 3, 4, 5])
})

test('when the caller gives up those under way end, and no other begins', async () => {
  const { clock, stop, begun, run } = setup([5_000, 5_000, 5_000])
  const race = run()
  await clock.advance(300)
  stop.abort(new TypeError('enough'))
  const { won, failures, begun: count } = await race
  assert.equal(won, undefined)
  assert.equal(count, 2)
  assert.deepEqual([...failures.values()].map(String), ['TypeError: enough', 'TypeError: enough'])
  assert.equal(begun.length, 2)
  assert.equal(clock.waiting, 0)
})

test('a success that comes too late is discarded', async () => {
  const clock = new FakeClock()
  const late = Promise.withResolvers<string>()
  const discarded: string[] = []
  const race = raceTries([() => late.promise, async () => 'second'], {
    clock,
    signal: new AbortController().signal,
    discard: (value) => discarded.push(value),
  })
  await clock.advance(250)
  assert.equal((await race).won, 'second')
  late.resolve('first')
  await clock.advance(0)
  assert.deepEqual(discarded, ['first'])
})

test('nothing to try is nothing won', async () => {
  assert.deepEqual(await setup([]).run(), { won: undefined, begun: 0, failures: new Map() })
})
