import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOB, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { messages, type ShownMessage } from './messages.ts'

const message = (
  cursor: number,
  data: unknown,
  over: Partial<ShownMessage> = {},
): ShownMessage => ({
  id: 'ab'.repeat(16),
  from: `0x${'2'.repeat(40)}`,
  peer: BOB,
  to: `0x${'1'.repeat(40)}`,
  data,
  sentAt: 1,
  receivedAt: 2,
  broadcast: false,
  cursor,
  ...over,
})

const two = [
  message(2, { b: 1 }, { conversation: 'talk' }),
  message(1, 'a\u001b[2J', { broadcast: true }),
]

test('messages shows the newest last, with nothing that moves the cursor', async () => {
  const asked: unknown[] = []
  const node = {
    messages: async (query: object = {}) => {
      asked.push(query)
      return { messages: two }
    },
  }
  const options = { limit: '5', conversation: 'talk', text: 'b' }
  const { context, stdout } = setup({ node, options })
  await messages.run(context)
  assert.deepEqual(asked, [{ limit: 5, conversation: 'talk', text: 'b' }])
  const [first = '', second = ''] = stdout.text.trim().split('\n')
  assert.match(first, /0x2+ to everybody a/)
  assert.match(second, /0x2+ \[talk\] \{"b":1\}/)
  assert.ok(!stdout.text.includes('\u001b[2J'))
  const json = setup({ node, json: true })
  await messages.run(json.context)
  assert.deepEqual(json.printed(), two.toReversed())
})

test('messages --ids shows what send --reply-to takes', async () => {
  const node = { messages: async () => ({ messages: two }) }
  const { context, stdout } = setup({ node, options: { ids: true } })
  await messages.run(context)
  const lines = stdout.text.trim().split('\n')
  assert.ok(lines.every((line) => line.startsWith(`${'ab'.repeat(16)} `)))
})

test('messages says so where there are none, and refuses a limit that is none', async () => {
  const { context, stdout } = setup({ node: { messages: async () => ({ messages: [] }) } })
  await messages.run(context)
  assert.equal(stdout.text, 'No messages.\n')
  for (const limit of ['0', '201', 'x', '1.5']) {
    await assert.rejects(messages.run(setup({ options: { limit } }).context), coded('CLI_USAGE'))
  }
})

test('messages marks what came from OpenPond: nothing of it was sealed', async () => {
  const pond = { ...message(1, 'hello'), route: 'openpond' }
  const { context, stdout } = setup({ node: { messages: async () => ({ messages: [pond] }) } })
  await messages.run(context)
  assert.match(stdout.text, / \(openpond, in the clear\) hello$/m)
})

test('messages --follow goes on after the last one until it is stopped', async () => {
  const stop = new AbortController()
  const asked: unknown[] = []
  const node = {
    messages: async () => ({ messages: two }),
    messageNext: async (what: { after?: number } = {}) => {
      asked.push(what.after)
      if (asked.length === 1) return { message: message(3, 'next') }
      if (asked.length === 2) return { message: null }
      stop.abort()
      throw new Error('over')
    },
  }
  const { context, stdout } = setup({
    node,
    options: { follow: true },
    json: true,
    signal: stop.signal,
  })
  await messages.run(context)
  assert.deepEqual(asked, [2, 3, 3])
  const cursors = stdout.text
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as ShownMessage).cursor)
  assert.deepEqual(cursors, [1, 2, 3])
})

test('messages --follow shows one conversation where one is wanted, and nothing old', async () => {
  const stop = new AbortController()
  const asked: unknown[] = []
  const node = {
    messages: async ({ conversation }: { conversation?: string } = {}) => {
      return { messages: conversation === undefined ? two : [] }
    },
    messageNext: async (what: object = {}) => {
      asked.push(what)
      if (asked.length === 1) return { message: message(5, 'rain', { conversation: 'weather' }) }
      stop.abort()
      throw new Error('over')
    },
  }
  const options = { follow: true, conversation: 'weather' }
  const { context, stdout } = setup({ node, options, json: true, signal: stop.signal })
  await messages.run(context)
  const conversation = 'weather'
  const timeoutMs = 30_000
  assert.deepEqual(asked, [
    { conversation, after: 2, timeoutMs },
    { conversation, after: 5, timeoutMs },
  ])
  assert.match(stdout.text, /^\{.*"data":"rain".*\}\n$/)
})

test('messages --follow and --text do not go together', async () => {
  const { context } = setup({ options: { follow: true, text: 'rain' } })
  await assert.rejects(messages.run(context), coded('CLI_USAGE'))
})

test('messages --follow does not hide that the node went', async () => {
  const gone = async () => {
    throw new TypeError('gone')
  }
  const node = { messages: async () => ({ messages: [] }), messageNext: gone }
  await assert.rejects(messages.run(setup({ node, options: { follow: true } }).context), /gone/)
})
