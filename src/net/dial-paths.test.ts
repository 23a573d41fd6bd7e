import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { racePaths } from './dial-paths.ts'

test('racePaths() ends with what it has when it is not told of relays', async () => {
  const clock = new FakeClock()
  const { signal } = new AbortController()
  const more = async () => Promise.reject(new TypeError('the store is closed'))
  const result = await racePaths<string>([], { clock, signal, discard: () => undefined, more })
  assert.deepEqual([result.won, result.failures.size], [undefined, 0])
  await clock.advance(0)
  assert.equal(clock.waiting, 0)
})
