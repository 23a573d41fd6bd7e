import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { fakeInbox } from '../../test/support/served-inbox.ts'
import { race, utf8 } from '../base/index.ts'
import { messageRoutes } from './message-routes.ts'
import type { KeptMessage, ServedAgent, ServedDelivery } from './served-agent.ts'

const ME = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const never = new AbortController().signal
const kept = (cursor: number, body: Uint8Array, more: Partial<KeptMessage> = {}): KeptMessage => {
  return { id: 'a'.repeat(32), from: { peer: ME }, to: ME, body, sentAt: 5, cursor, ...more }
}

function setup(kind: Partial<ServedAgent> = {}) {
  const clock = new FakeClock()
  const sent: unknown[][] = []
  const send = async (...args: unknown[]): Promise<ServedDelivery> => {
    sent.push(args)
    return { id: 'b'.repeat(32), to: 'x', state: 'sent', at: 1 }
  }
  const agent: ServedAgent = {
    send: (to, body, options) => send(to, Buffer.from(body).toString('utf8'), options),
    broadcast: (body, options) => send('all', Buffer.from(body).toString('utf8'), options),
    on: () => () => undefined,
    agents: () => [],
    inbox: {
      list: () => ({ messages: [kept(2, utf8('{"a":1}'), { contentType: 'application/json' })] }),
      wait: ({ after = 0, signal }) => {
        return race(after < 7 ? Promise.resolve(kept(7, utf8('hi'))) : Promise.race([]), signal)
      },
    },
    ...kind,
  }
  const within = async <T>(_: object, work: (signal: AbortSignal) => Promise<T>) => work(never)
  return { routes: messageRoutes({ agent }, within, clock), clock, sent, within }
}

test('a message is JSON for one or for everybody', async () => {
  const { routes, sent } = setup()
  const conversation = 'c'
  const { state } = await routes.messageSend({ to: ME, data: { a: 1 }, conversation }, never)
  assert.equal(state, 'sent')
  await routes.messageSend({ to: '*', data: undefined }, never)
  const contentType = 'application/json'
  assert.deepEqual(sent, [
    [ME, '{"a":1}', { conversation, contentType, signal: never }],
    ['all', 'null', { contentType, signal: never }],
  ])
})

test('a body above 512 KiB is refused before the agent sees it', async () => {
  const { routes, sent } = setup()
  await routes.messageSend({ to: ME, data: 'x'.repeat(524_286) }, never)
  const long = routes.messageSend({ to: ME, data: 'x'.repeat(524_287) }, never)
  await assert.rejects(long, coded('CONTROL_BODY_TOO_LARGE'))
  assert.equal(sent.length, 1)
})

test('messages are shown as JSON, text or base64, whatever they are', async () => {
  const body = Uint8Array.of(0xff, 0xfe)
  const from = { peer: ME, address: '0xA1' }
  const more = { from, conversation: 'c', replyTo: 'r', receivedAt: 9, broadcast: true }
  const list = () => ({ messages: [kept(3, body, more), kept(2, utf8('text'))], cursor: 2 })
  const { routes } = setup({ inbox: { list, wait: () => Promise.race([]) } })
  const { messages, cursor } = await routes.messages({ limit: 2 }, never)
  assert.equal(cursor, 2)
  const [first, second] = messages
  const rest = { conversation: 'c', replyTo: 'r', sentAt: 5, receivedAt: 9, broadcast: true }
  const data = { data: '//4=', encoding: 'base64' }
  const whose = { id: 'a'.repeat(32), from: '0xA1', peer: ME, to: ME }
  assert.deepEqual(first, { ...whose, ...data, ...rest, cursor: 3 })
  assert.deepEqual([second?.from, second?.data, second?.receivedAt], [ME, 'text', 5])
})

test('the next message is waited for, for so long and no longer', async () => {
  const { routes, clock } = setup()
  const { message } = await routes.messageNext({ timeoutMs: 1_000 }, never)
  assert.equal(message?.cursor, 7)
  const next = routes.messageNext({ after: 7, timeoutMs: 1_000 }, never)
  await clock.advance(1_000)
  assert.deepEqual(await next, { message: null })
  const gone = new AbortController()
  const left = routes.messageNext({ after: 7, timeoutMs: 1_000 }, gone.signal)
  gone.abort(new TypeError('the caller is gone'))
  await assert.rejects(left, /the caller is gone/)
  assert.equal(clock.waiting, 0)
})

test('the next message is that of one conversation, or one that nobody has read', async () => {
  const { inbox, put, read } = fakeInbox()
  const came = (id: string, conversation: string) => {
    return { id, from: { peer: ME }, to: ME, body: utf8(id), sentAt: 5, conversation }
  }
  put(came('a', 'weather'), came('b', 'talk'), came('c', 'weather'))
  const { routes } = setup({ inbox })
  const next = async (which: object) => {
    const { message } = await routes.messageNext({ timeoutMs: 1_000, ...which }, never)
    return message?.id
  }
  assert.equal(await next({ after: 0, conversation: 'talk' }), 'b')
  assert.deepEqual(read, ['b'])
  assert.equal(await next({ after: 1, unreadUpTo: 3 }), 'c')
  assert.equal(await next({ after: 1 }), 'b')
})

test('who waits for a message has read it; a list does not say so', async () => {
  const read: string[] = []
  const list = () => ({ messages: [kept(2, utf8('listed'))] })
  const inbox = {
    list,
    wait: async () => kept(7, utf8('hi')),
    read: async (id: string) => void read.push(id),
  }
  const { routes } = setup({ inbox })
  await routes.messages({ limit: 1 }, never)
  assert.deepEqual(read, [])
  await routes.messageNext({ timeoutMs: 1_000 }, never)
  assert.deepEqual(read, ['a'.repeat(32)])
})

test('a node without an agent says so', async () => {
  const { within, clock } = setup()
  const missing = coded('CONTROL_AGENT_UNAVAILABLE')
  for (const agent of [null, undefined]) {
    const routes = messageRoutes(agent === null ? { agent } : {}, within, clock)
    await assert.rejects(routes.messageSend({ to: ME, data: 1 }, never), missing)
    await assert.rejects(routes.messages({ limit: 1 }, never), missing)
    await assert.rejects(routes.messageNext({ timeoutMs: 1 }, never), missing)
  }
})
