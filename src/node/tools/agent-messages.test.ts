import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import type { AgentMessage, Delivery, SendOptions } from '../../agent/index.ts'
import { MessageError } from '../../agent/index.ts'
import { silentLog, utf8 } from '../../base/index.ts'
import { ethAddress, signerFromSeed } from '../../identity/index.ts'
import type { ToolArgs } from '../../mcp/index.ts'
import { agentTools } from './agent-messages.ts'

const BOB = signerFromSeed(new Uint8Array(32).fill(2)).peer
const ADDRESS = ethAddress('0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed')
const MESSAGE: AgentMessage = {
  id: 'ab'.repeat(16),
  from: { peer: BOB, address: ADDRESS },
  to: '*',
  body: utf8('hello'),
  contentType: 'text/plain',
  conversation: 'c',
  replyTo: 'cd'.repeat(16),
  sentAt: 1,
  receivedAt: 2,
  read: false,
  broadcast: true,
  route: 'gossip',
  cursor: 7,
}

/** The tools over an agent that notes what it was asked. */
function setup({ waits = false, fails = false } = {}) {
  const clock = new FakeClock()
  const asked: unknown[] = []
  const sent = async (to: string, body: Uint8Array, options: SendOptions = {}) => {
    if (fails) throw MessageError.OUTBOX_FULL({ limit: '1 messages' })
    const { signal: _, ...said } = options
    asked.push([to, Buffer.from(body).toString(), said])
    return { id: 'ab'.repeat(16), to, state: 'delivered', at: 1 } satisfies Delivery
  }
  const tools = agentTools({
    clock,
    agent: {
      send: sent,
      broadcast: (body, options) => sent('*', body, options),
      inbox: {
        list(options) {
          asked.push(options)
          const bytes = { ...MESSAGE, from: { peer: BOB }, body: Uint8Array.of(0xff) }
          return { messages: [MESSAGE, bytes], cursor: 6 }
        },
        wait: async ({ signal, ...filter } = {}) => {
          asked.push(filter)
          if (!waits) return MESSAGE
          return new Promise((_, reject) => {
            signal?.addEventListener('abort', () => reject(signal.reason as Error))
          })
        },
        read: async (id) => {
          asked.push(['read', id])
          return []
        },
      },
    },
  })
  const { signal } = new AbortController()
  const run = async (name: string, args: ToolArgs) => {
    const context = { caller: null, signal, log: silentLog, correlationId: 'c' }
    const result = await tools.find(({ info }) => info.name === name)?.run(args, context)
    return result ?? assert.fail()
  }
  return { run, asked, clock }
}

test('send_message sends to one, or to everybody, and answers how far it came', async () => {
  const { run, asked } = setup()
  const said = { content_type: 'text/plain', conversation: 'c', reply_to: 'cd'.repeat(16) }
  const { structuredContent } = await run('send_message', {
    to: ADDRESS,
    body: 'hello',
    ...said,
    expires_ms: 5_000,
  })
  assert.deepEqual(structuredContent, {
    id: 'ab'.repeat(16),
    to: ADDRESS,
    state: 'delivered',
    at: 1,
  })
  await run('send_message', { to: '*', body: 'all' })
  const [contentType, replyTo] = ['text/plain', 'cd'.repeat(16)]
  assert.deepEqual(asked, [
    [ADDRESS, 'hello', { contentType, conversation: 'c', replyTo, expiresMs: 5_000 }],
    ['*', 'all', {}],
  ])
})

test('what cannot be sent is answered with its code', async () => {
  const { run } = setup({ fails: true })
  const result = await run('send_message', { to: BOB, body: 'hello' })
  assert.equal(result.isError, true)
  assert.match(JSON.stringify(result.content), /AGENT_OUTBOX_FULL: Cannot queue message/)
})

test('list_messages shows text as text and bytes in base64', async () => {
  const { run, asked } = setup()
  const filter = { conversation: 'c', since: 1, text: 'hel', cursor: 9, limit: 2 }
  const { structuredContent } = await run('list_messages', { from: ADDRESS, ...filter })
  const { messages, cursor } = structuredContent as {
    messages: readonly Record<string, unknown>[]
    cursor: number
  }
  assert.equal(cursor, 6)
  assert.deepEqual(asked, [{ ...filter, from: ADDRESS }])
  assert.deepEqual(messages[0], {
    id: MESSAGE.id,
    from: ADDRESS,
    from_peer: BOB,
    to: '*',
    body: 'hello',
    encoding: 'utf8',
    content_type: 'text/plain',
    conversation: 'c',
    reply_to: MESSAGE.replyTo,
    sent_at: 1,
    received_at: 2,
    read: false,
    broadcast: true,
    route: 'gossip',
    cursor: 7,
  })
  assert.deepEqual([messages[1]?.from, messages[1]?.body], [BOB, '/w=='])
  assert.equal(messages[1]?.encoding, 'base64')
})

test('wait_for_message hands one over and has it read, or says that none came', async () => {
  const { run, asked } = setup()
  const { structuredContent } = await run('wait_for_message', { from: BOB, after: 3 })
  const { message } = structuredContent as { message: Record<string, unknown> }
  assert.deepEqual([message.body, message.read], ['hello', true])
  assert.deepEqual(asked, [{ from: BOB, after: 3 }, ['read', MESSAGE.id]])
  const none = setup({ waits: true })
  const waiting = none.run('wait_for_message', { timeout_ms: 5_000 })
  await none.clock.advance(5_000)
  assert.deepEqual((await waiting).structuredContent, { message: null })
})
