import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { firstUse } from './first-use.ts'

test('firstUse() gives what was loaded', async () => {
  assert.deepEqual(await firstUse('a library', async () => ({ one: 1 })), { one: 1 })
})

test('firstUse() says which library cannot be used, and why', async () => {
  const cause = new TypeError('no such file')
  const use = firstUse('a library', () => Promise.reject(cause))
  await assert.rejects(use, coded('BASE_LIBRARY_UNUSABLE'))
  await assert.rejects(use, { message: /a library.*no such file/, cause })
})
