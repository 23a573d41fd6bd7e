import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { checkSaid } from './said.ts'

test('a body and options that no message can have are refused', () => {
  checkSaid(new Uint8Array(512 * 1024), { expiresMs: 1, replyTo: 'a'.repeat(32) })
  const body = new Uint8Array(1)
  const tooLarge = new Uint8Array(512 * 1024 + 1)
  assert.throws(() => checkSaid(tooLarge, {}), coded('AGENT_MESSAGE_TOO_LARGE'))
  for (const expiresMs of [0, 1.5, Number.NaN, 604_800_001]) {
    assert.throws(() => checkSaid(body, { expiresMs }), coded('AGENT_MESSAGE_OPTION'))
  }
  assert.throws(() => checkSaid(body, { replyTo: 'A'.repeat(32) }), coded('AGENT_MESSAGE_OPTION'))
})
