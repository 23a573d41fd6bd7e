import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { failureOf, startGrpc } from '../../test/support/grpc.ts'
import { fakeInbox } from '../../test/support/served-inbox.ts'
import { PEER } from '../../test/support/served-node.ts'
import { Emitter } from '../base/index.ts'
import type { NetEvents } from '../net/index.ts'
import { CONTENT_BYTES_MAX } from './grpc-agent.ts'
import type { ServedAgent, ServedDelivery } from './served-agent.ts'

const ADDRESS = '0x52908400098527886E0F7030069857D2E4169EE7'
const ID = 'ab'.repeat(16)
const utf8 = (text: string) => new TextEncoder().encode(text)

interface Happens {
  readonly delivery: ServedDelivery
}

/** An agent that takes every message as `state` says, and notes it. */
function agentThat(state: string, reason?: string) {
  const events = new Emitter<Happens>((error) => assert.fail(String(error)))
  const sent: unknown[] = []
  const take = (
    to: string,
    body: Uint8Array,
    { signal: _, ...options }: object & { signal?: AbortSignal },
  ) => {
    sent.push({ to, text: new TextDecoder().decode(body), ...options })
    return Promise.resolve({ id: ID, to, state, ...(reason && { reason }), at: 5 })
  }
  const { inbox, read, put } = fakeInbox()
  const agent: ServedAgent = {
    address: ADDRESS,
    inbox,
    send: take,
    broadcast: (body, options) => take('*', body, options),
    on: (_, listener) => events.on('delivery', listener),
    agents: () => [
      { address: ADDRESS, peer: PEER, name: 'one', connectedSince: 1_700_000_000_000 },
      { address: ADDRESS, peer: PEER },
    ],
  }
  return { agent, events, sent, read, put }
}

/** The events of a stream in the order they come. */
async function* eventsOf(stream: AsyncIterable<unknown>): AsyncGenerator<Record<string, unknown>> {
  for await (const event of stream) yield event as Record<string, unknown>
}

test('Connect begins with ready, then tells peers, messages and deliveries', async () => {
  const net = new Emitter<NetEvents>((error) => assert.fail(String(error)))
  const { agent, events, read, put } = agentThat('queued')
  await using grpc = await startGrpc({ agent, over: { events: { net, mcp: null } } })
  const stream = grpc.client.stream('p2p.P2PNode/Connect', { port: 9000, name: 'reader' })
  const told = eventsOf(stream)
  const next = async () => (await told.next()).value as unknown
  assert.deepEqual(await next(), { ready: { peerId: PEER, ethAddress: ADDRESS } })
  net.emit('connected', { peer: PEER })
  assert.deepEqual(await next(), { peerConnected: { peerId: PEER } })
  const from = { peer: PEER, address: ADDRESS }
  const body = utf8('hello')
  put({ id: ID, from, to: ADDRESS, body, replyTo: 'cd', sentAt: 1_700_000_000_000 })
  const message = (await next()) as { message: Record<string, unknown> }
  assert.equal(message.message.from, ADDRESS)
  assert.equal(message.message.timestamp, 1_700_000_000_000)
  assert.equal(message.message.replyTo, 'cd')
  assert.equal(String(message.message.content), 'hello')
  assert.deepEqual(read, [ID], 'who was told has read')
  events.emit('delivery', { id: ID, to: ADDRESS, state: 'delivered', at: 7 })
  const delivery = { messageId: ID, to: ADDRESS, state: 'delivered', reason: '', timestamp: 7 }
  assert.deepEqual(await next(), { delivery })
  net.emit('disconnected', { peer: PEER })
  assert.deepEqual(await next(), { peerDisconnected: { peerId: PEER } })
  stream.cancel()
  await assert.rejects(told.next(), (error) => failureOf(error).status === status.CANCELLED)
})

test('Connect takes no private key, and no port that the node does not listen on', async () => {
  await using grpc = await startGrpc()
  for (const [sent, code] of [
    [{ privateKey: `0x${'1'.repeat(64)}` }, 'CONTROL_KEY_NOT_TAKEN'],
    [{ port: 8_000 }, 'CONTROL_REQUEST_INVALID'],
  ] as const) {
    const stream = grpc.client.stream('p2p.P2PNode/Connect', sent)
    await assert.rejects(eventsOf(stream).next(), (error) => {
      const failure = failureOf(error)
      assert.equal(failure.status, status.INVALID_ARGUMENT)
      assert.equal(failure.code, code)
      assert.doesNotMatch(failure.details, /1111/)
      return true
    })
  }
})

test('SendMessage gives the agent what was sent, and answers with its id and state', async () => {
  const { agent, sent } = agentThat('queued')
  await using grpc = await startGrpc({ agent })
  const send = (message: object) => grpc.client.call('p2p.P2PNode/SendMessage', { ...message })
  const content = utf8('hi')
  const found = await send({ to: ADDRESS, content, conversation: 'c', replyTo: 'ab', expiresMs: 9 })
  assert.deepEqual(found, { messageId: ID, state: 'queued' })
  await send({ to: PEER, content })
  await send({ content })
  assert.deepEqual(sent, [
    { to: ADDRESS, text: 'hi', conversation: 'c', replyTo: 'ab', expiresMs: 9 },
    { to: PEER, text: 'hi' },
    { to: '*', text: 'hi' },
  ])
})

test('what was not sent does not answer well', async () => {
  const { agent } = agentThat('failed', 'no agent of this address is known')
  await using grpc = await startGrpc({ agent })
  const path = 'p2p.P2PNode/SendMessage'
  const failed = await grpc.client.fails(path, { to: ADDRESS })
  assert.equal(failed.status, status.FAILED_PRECONDITION)
  assert.match(failed.details, /no agent of this address is known/)
  const large = await grpc.client.fails(path, { content: new Uint8Array(CONTENT_BYTES_MAX + 1) })
  assert.equal(large.code, 'CONTROL_BODY_TOO_LARGE')
  const late = await grpc.client.fails(path, { to: ADDRESS, expiresMs: 8 * 86_400_000 })
  assert.equal(late.code, 'CONTROL_REQUEST_INVALID')
})

test('a node without an agent says so, and how to have one', async () => {
  await using grpc = await startGrpc()
  for (const path of ['p2p.P2PNode/SendMessage', 'p2p.P2PNode/ListAgents']) {
    const failure = await grpc.client.fails(path, {})
    assert.equal(failure.status, status.FAILED_PRECONDITION)
    assert.equal(failure.code, 'CONTROL_AGENT_UNAVAILABLE')
    assert.match(failure.details, /\[agent\] enabled = true/)
  }
})

test('ListAgents tells whom the agent knows', async () => {
  await using grpc = await startGrpc({ agent: agentThat('queued').agent })
  assert.deepEqual(await grpc.client.call('p2p.P2PNode/ListAgents'), {
    agents: [
      {
        agent_id: ADDRESS,
        peer_id: PEER,
        agent_name: 'one',
        connected_since: 1_700_000_000_000,
      },
      { agent_id: ADDRESS, peer_id: PEER, agent_name: '', connected_since: 0 },
    ],
  })
})

test('Stop ends the node once its caller has the answer; where it may not, it says so', async () => {
  await using grpc = await startGrpc()
  assert.deepEqual(await grpc.client.call('p2p.P2PNode/Stop'), {})
  while (grpc.stopped() === 0) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(grpc.stopped(), 1)
  await using part = await startGrpc({ stops: false })
  const failure = await part.client.fails('p2p.P2PNode/Stop')
  assert.equal(failure.status, status.UNIMPLEMENTED)
  assert.equal(failure.code, 'CONTROL_STOP_NOT_OFFERED')
})

test('a reader that does not read misses events and is told how many', async () => {
  const net = new Emitter<NetEvents>((error) => assert.fail(String(error)))
  await using grpc = await startGrpc({ over: { events: { net, mcp: null } } })
  const stream = grpc.client.stream('p2p.P2PNode/Connect')
  const told = eventsOf(stream)
  await told.next()
  for (let i = 0; i < 600; i += 1) net.emit('connected', { peer: PEER })
  let events = 0
  let missed = 0
  while (events + missed < 600) {
    const { value } = (await told.next()) as { value: unknown }
    const { error } = value as { error?: { code: string; message: string } }
    if (error === undefined) events += 1
    else missed += Number(/tell (\d+) events/.exec(error.message)?.[1])
  }
  assert.ok(missed > 300, `${missed} missed`)
  assert.equal(events + missed, 600)
  stream.cancel()
})

test('messages wait for a reader that does not read, and for one who comes later', async () => {
  const { agent, read, put } = agentThat('queued')
  const body = new Uint8Array(100_000)
  const came = (n: number) => {
    return { id: `m${n}`, from: { peer: PEER }, to: ADDRESS, body, sentAt: n }
  }
  const ids = Array.from({ length: 300 }, (_, n) => `m${n}`)
  put(...ids.map((_, n) => came(n)))
  await using grpc = await startGrpc({ agent })
  const begin = async () => {
    const stream = grpc.client.stream('p2p.P2PNode/Connect')
    const told = eventsOf(stream)
    await told.next()
    const next = async () => {
      const { message } = (await told.next()).value as { message?: { messageId: string } }
      return message?.messageId
    }
    return { stream, next }
  }
  const first = await begin()
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.ok(read.length < 300, `${read.length} were handed on to nobody`)
  for (const id of ids) assert.equal(await first.next(), id)
  put(came(300))
  assert.equal(await first.next(), 'm300')
  first.stream.cancel()
  await new Promise((resolve) => setTimeout(resolve, 100))
  put(came(301))
  const second = await begin()
  assert.equal(await second.next(), 'm301')
  assert.deepEqual(read, [...ids, 'm300', 'm301'])
  second.stream.cancel()
})

test('no more than 16 read at once, and the end of the server ends them all', async () => {
  await using grpc = await startGrpc()
  const streams = Array.from({ length: 16 }, () => grpc.client.stream('p2p.P2PNode/Connect'))
  const all = streams.map((stream) => eventsOf(stream))
  for (const told of all) await told.next()
  const late = eventsOf(grpc.client.stream('p2p.P2PNode/Connect'))
  await assert.rejects(late.next(), (error) => failureOf(error).code === 'CONTROL_EVENTS_BUSY')
  const ended = Promise.all(all.map((told) => told.next().catch(() => ({ done: true }))))
  await grpc.server.stop()
  assert.ok((await ended).every(({ done }) => done === true))
})
