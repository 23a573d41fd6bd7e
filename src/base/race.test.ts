import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { race } from './race.ts'

test('race() settles as the work does, and leaves no listener', async () => {
  const { signal } = new AbortController()
  assert.equal(await race(Promise.resolve(1), signal), 1)
  assert.equal(await race(Promise.resolve(2), undefined), 2)
  await assert.rejects(race(Promise.reject(new TypeError('broken')), signal), /broken/)
})

test('race() gives up with the reason of the signal, before or while it waits', async () => {
  const caller = new AbortController()
  const waiting = race(new Promise(() => undefined), caller.signal)
  caller.abort(new TypeError('enough'))
  await assert.rejects(waiting, /enough/)
  await assert.rejects(race(Promise.resolve(1), caller.signal), /enough/)
})

test('work that fails after it was given up is no unhandled rejection', async () => {
  const lost: unknown[] = []
  const note = (error: unknown) => void lost.push(error)
  process.on('unhandledRejection', note)
  const late = Promise.withResolvers<never>()
  await assert.rejects(race(late.promise, AbortSignal.abort(new TypeError('enough'))), /enough/)
  late.reject(new TypeError('late'))
  await setImmediate()
  process.off('unhandledRejection', note)
  assert.deepEqual(lost, [])
})
