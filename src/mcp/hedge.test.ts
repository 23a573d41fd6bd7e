import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { untilAborted } from '../../test/support/mcp-directory.ts'
import { hedged, type Try } from './hedge.ts'

function setup() {
  const clock = new FakeClock()
  const begun: [name: string, atMs: number][] = []
  const stopped: string[] = []
  const sinceMs = clock.now()
  const made = (name: string, work: Try<string>): Try<string> => {
    return async (signal) => {
      begun.push([name, clock.now() - sinceMs])
      signal.addEventListener('abort', () => stopped.push(name), { once: true })
      return work(signal)
    }
  }
  const after = (ms: number, value: string | undefined): Try<string> => {
    return async (signal) => {
      await clock.sleep(ms, signal)
      return value
    }
  }
  const { signal } = new AbortController()
  const run = (tries: readonly Try<string>[]) => hedged(tries, { clock, delayMs: 100, signal })
  return { clock, begun, stopped, made, after, run }
}

test('hedged() asks nobody else where the first answers in time', async () => {
  const { clock, begun, made, after, run } = setup()
  const answer = run([made('a', after(50, 'a')), made('b', after(1, 'b'))])
  await clock.advance(50)
  assert.equal(await answer, 'a')
  assert.deepEqual(begun, [['a', 0]])
  assert.equal(clock.waiting, 0, 'no timer is left')
})

test('hedged() asks a second one after the delay; the first answer wins, the other stops', async () => {
  const { clock, begun, stopped, made, after, run } = setup()
  const answer = run([made('a', untilAborted), made('b', after(30, 'b')), made('c', untilAborted)])
  await clock.advance(130)
  assert.equal(await answer, 'b')
  assert.deepEqual(begun, [
    ['a', 0],
    ['b', 100],
  ])
  assert.deepEqual(stopped, ['a', 'b'])
})

test('hedged() goes on at once when a try fails, and says when all did', async () => {
  const { clock, begun, made, after, run } = setup()
  const answer = run([made('a', after(0, undefined)), made('b', after(0, undefined))])
  await clock.advance(0)
  assert.equal(await answer, undefined)
  assert.deepEqual(
    begun.map(([name]) => name),
    ['a', 'b'],
  )
})

test('hedged() throws what is final, and stops the others', async () => {
  const { clock, stopped, made, run } = setup()
  const fails: Try<string> = async () => {
    throw new TypeError('bad arguments')
  }
  const answer = run([made('a', untilAborted), made('b', fails)])
  const caught = assert.rejects(answer, /bad arguments/)
  await clock.advance(100)
  await caught
  assert.deepEqual(stopped, ['a', 'b'])
})
