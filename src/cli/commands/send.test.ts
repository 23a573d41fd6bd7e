import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { utf8 } from '../../base/index.ts'
import { send } from './send.ts'

const TO = `0x${'2'.repeat(40)}`
const ID = 'ab'.repeat(16)

function sending(
  args: readonly string[],
  options = {},
  over: { state?: string; reason?: string } = {},
) {
  const asked: unknown[] = []
  const messageSend = async (what: object) => {
    asked.push(what)
    return { id: ID, to: String(args[0]), state: 'delivered', at: 1, ...over }
  }
  return { ...setup({ args, options, node: { messageSend } }), asked }
}

test('send sends JSON as it is and other words as text, with what was said of it', async () => {
  const json = sending([TO, '{"ask":1}'], { conversation: 'c', replyTo: ID, expires: '10s' })
  await send.run(json.context)
  const said = { conversation: 'c', replyTo: ID, expiresMs: 10_000 }
  assert.deepEqual(json.asked, [{ to: TO, data: { ask: 1 }, ...said }])
  const text = sending([TO, 'hello there'])
  await send.run(text.context)
  assert.deepEqual(text.asked, [{ to: TO, data: 'hello there' }])
  assert.match(text.stdout.text, /State +delivered: it has it, by its own signed word/)
})

test('send says what became of a message, and why, with nothing that moves the cursor', async () => {
  const { context, stdout } = sending(
    ['*', '1'],
    {},
    { state: 'failed', reason: 'no\u001b[2Jroom' },
  )
  await send.run(context)
  assert.match(stdout.text, /To +everybody/)
  assert.match(stdout.text, /failed: it will not arrive\nWhy +no.*room\n/)
  assert.ok(!stdout.text.includes('\u001b[2J'))
})

test('send cuts a reason that would fill the screen, for a person alone', async () => {
  const over = { state: 'queued', reason: 'x'.repeat(500) }
  const { context, stdout } = sending([TO, 'hi'], {}, over)
  await send.run(context)
  assert.match(stdout.text, /^Why +x{200}…$/m)
})

test('send does not promise a receipt for what is said to everybody', async () => {
  const { context, stdout } = sending(['*', '1'], {}, { state: 'sent' })
  await send.run(context)
  assert.match(stdout.text, /sent: told to all who listen now; nobody signs for that/)
})

test("send --openpond asks for OpenPond's form, and promises no receipt", async () => {
  const { context, stdout, asked } = sending([TO, 'hi'], { openpond: true }, { state: 'sent' })
  await send.run(context)
  assert.deepEqual(asked, [{ to: TO, data: 'hi', form: 'openpond' }])
  assert.match(stdout.text, /nobody signs for that/)
})

test('send - sends what is piped in', async () => {
  const { context, asked } = sending([TO, '-'])
  const pieces = [utf8('{"report":'), utf8('[1]}\n')]
  await send.run({ ...context, stdin: () => Readable.from(pieces) })
  assert.deepEqual(asked, [{ to: TO, data: { report: [1] } }])
})

test('send wants to know whom and what', async () => {
  for (const args of [[], [TO], ['bob', 'hello'], ['README.md', 'hello']]) {
    await assert.rejects(send.run(sending(args).context), coded('CLI_USAGE'))
  }
  const { context, asked } = sending([TO, 'hi'], { replyTo: 'zz' })
  await assert.rejects(send.run(context), (error: unknown) => {
    assert.match(String(error), /--reply-to .* p2p messages --ids/)
    return coded('CLI_USAGE')(error)
  })
  assert.deepEqual(asked, [])
})
