import assert from 'node:assert/strict'
import { test } from 'node:test'
import { steady } from './steady.ts'

test('a settled node sends little by itself, and more when its user looks for things', async () => {
  const options = { seed: 1, nodes: 200, sample: 3, lookupEveryMs: 60_000 }
  const { messagesPerNodeSecond, idleMessagesPerNodeSecond } = await steady(options)
  assert.ok(idleMessagesPerNodeSecond > 0)
  assert.ok(idleMessagesPerNodeSecond < 2, `${idleMessagesPerNodeSecond} messages a second`)
  assert.ok(messagesPerNodeSecond > idleMessagesPerNodeSecond)
})
