import assert from 'node:assert/strict'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import { test } from 'node:test'
import { startControl, TOKEN } from '../../test/support/control.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { AGENT_INFO, fakeNode, HEALTHY, PEER } from '../../test/support/served-node.ts'
import type { PresenceEvents } from '../agent/index.ts'
import { Emitter } from '../base/index.ts'
import type { NetEvents } from '../net/index.ts'
import type { HealthReport } from '../node/index.ts'
import { ControlClient } from './client.ts'
import { EventFeed } from './event-feed.ts'
import type { ServedAgent, ServedDelivery } from './served-agent.ts'
import type { CallServed } from './served-node.ts'
import type { StreamEvent } from './shapes/api.ts'
import { sseSink } from './sse-sink.ts'

type Happens = Pick<NetEvents, 'connected' | 'disconnected' | 'addresses'> & {
  readonly servicesChanged: unknown
  readonly callServed: CallServed
}

const fail = (error: unknown) => assert.fail(String(error))
const emitter = () => new Emitter<Happens>(fail)

/** A feed over a node whose life the test plays, and readers over real HTTP. */
async function setup({ notices = [] as string[] } = {}) {
  const events = emitter()
  let health: HealthReport = HEALTHY
  const agents = new Emitter<PresenceEvents>(fail)
  const deliveries = new Emitter<{ readonly delivery: ServedDelivery }>(fail)
  const { node, services } = fakeNode({
    events: { net: events, mcp: events, agents },
    agent: { on: deliveries.on.bind(deliveries) } as unknown as ServedAgent,
    health: () => health,
  })
  const clock = new FakeClock(1_000)
  const feed = new EventFeed({ node, clock, notices: () => notices })
  await feed.start()
  let refusal: unknown
  const responses: ServerResponse[] = []
  const server = createServer((_request, response) => {
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    responses.push(response)
    feed
      .serve(() => sseSink(response), gone.signal)
      .catch((error: unknown) => {
        refusal = error
        response.end()
      })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const { port } = address
  return {
    events,
    agents,
    deliveries,
    services,
    clock,
    feed,
    responses,
    refusal: () => refusal,
    setHealth: (next: HealthReport) => {
      health = next
    },
    async read() {
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
      get({ port, host: '127.0.0.1', agent: false }, resolve).on('error', reject)
      return new TestReader(await promise)
    },
    async [Symbol.asyncDispose]() {
      await feed.stop()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

class TestReader {
  readonly response: IncomingMessage
  text = ''

  constructor(response: IncomingMessage) {
    this.response = response
    response.on('data', (chunk: Buffer) => {
      this.text += chunk.toString()
    })
    response.on('error', () => undefined)
  }

  get events(): StreamEvent[] {
    const lines = this.text.split('\n').filter((line) => line.startsWith('data: '))
    return lines.map((line) => JSON.parse(line.slice(6)) as StreamEvent)
  }

  async until(what: RegExp): Promise<void> {
    while (!what.test(this.text)) await new Promise((resolve) => setImmediate(resolve))
  }
}

test('a reader is told who speaks and how it is, and then all that happens', async () => {
  await using life = await setup({ notices: ['port 9000 is in use'] })
  const reader = await life.read()
  await reader.until(/notice/)
  life.events.emit('connected', { peer: PEER })
  life.events.emit('disconnected', { peer: PEER })
  life.events.emit('addresses', { addresses: ['/ip4/192.0.2.1/tcp/1'] })
  life.services.set('calc', {
    name: 'calc',
    state: 'ready',
    tools: [],
    restarts: 0,
    detached: true,
  })
  life.events.emit('servicesChanged', {})
  life.events.emit('servicesChanged', {})
  life.services.clear()
  life.events.emit('servicesChanged', {})
  life.events.emit('callServed', { tool: 'add', peer: PEER, ms: 3, code: 'ok' })
  await reader.until(/call-served[\s\S]*\n\n$/)
  const atMs = 1_000
  assert.deepEqual(reader.events, [
    {
      event: 'ready',
      peerId: PEER,
      listen: ['/ip4/127.0.0.1/tcp/9000'],
      version: '0.1.0',
      atMs,
    },
    { event: 'health-changed', health: HEALTHY, atMs },
    { event: 'notice', text: 'port 9000 is in use', atMs },
    { event: 'peer-connected', peer: PEER, atMs },
    { event: 'peer-disconnected', peer: PEER, atMs },
    { event: 'addresses-changed', listen: ['/ip4/192.0.2.1/tcp/1'], atMs },
    { event: 'service-exposed', service: 'calc', state: 'ready', tools: 0, atMs },
    { event: 'service-withdrawn', service: 'calc', atMs },
    { event: 'call-served', tool: 'add', peer: PEER, ms: 3, code: 'ok', atMs },
  ])
  assert.match(reader.text, /^id: 1\nevent: ready\ndata: \{.*\}\n\nid: 2\n/)
  assert.match(String(reader.response.headers['content-type']), /^text\/event-stream/)
})

test('agents that come and go are told, and what becomes of each message', async () => {
  await using life = await setup()
  const reader = await life.read()
  await reader.until(/health-changed/)
  life.agents.emit('agent', { agent: AGENT_INFO, state: 'here' })
  life.agents.emit('agent', { agent: AGENT_INFO, state: 'left' })
  const sent = { id: 'm1', to: '*', at: 7 }
  life.deliveries.emit('delivery', { ...sent, state: 'sent' })
  life.deliveries.emit('delivery', { ...sent, state: 'failed', reason: 'nobody listens' })
  await reader.until(/"failed"[\s\S]*\n\n$/)
  const atMs = 1_000
  const { address, peer, name } = AGENT_INFO
  const who = { address, peer, name, atMs }
  assert.deepEqual(reader.events.slice(2), [
    { event: 'agent', state: 'here', ...who },
    { event: 'agent', state: 'left', ...who },
    { event: 'delivery', id: 'm1', to: '*', state: 'sent', atMs },
    { event: 'delivery', id: 'm1', to: '*', state: 'failed', reason: 'nobody listens', atMs },
  ])
})

test('health is told when it changes, and a heartbeat comes every 15 s', async () => {
  await using life = await setup()
  const reader = await life.read()
  await reader.until(/health-changed/)
  await life.clock.advance(2_000)
  life.setHealth({ ...HEALTHY, status: 'degraded', reasons: ['no peers'] })
  await life.clock.advance(1_000)
  await reader.until(/degraded/)
  await life.clock.advance(5_000)
  assert.equal(reader.text.match(/health-changed/g)?.length, 4)
  assert.doesNotMatch(reader.text, /heartbeat/)
  await life.clock.advance(8_000)
  await reader.until(/\n: heartbeat\n\n/)
})

test('a reader that does not read misses events, is told how many, and is let go', async () => {
  await using life = await setup()
  const slow = await life.read()
  const quick = await life.read()
  await slow.until(/health-changed/)
  slow.response.pause()
  const tool = 'x'.repeat(50_000)
  for (let i = 0; i < 400; i += 1) {
    life.events.emit('callServed', { tool, peer: PEER, ms: i, code: 'ok' })
    await new Promise((resolve) => setImmediate(resolve))
  }
  await quick.until(/"ms":399,/)
  assert.equal(quick.events.filter(({ event }) => event === 'call-served').length, 400)
  slow.response.resume()
  await slow.until(/"missed":/)
  const served = slow.events.filter(({ event }) => event === 'call-served').length
  const lagged = slow.events.find(({ event }) => event === 'lagged')
  assert.ok(lagged?.event === 'lagged' && lagged.missed > 0)
  assert.equal(served + lagged.missed, 400)

  slow.response.pause()
  for (let i = 0; i < 400; i += 1) {
    life.events.emit('callServed', { tool, peer: PEER, ms: i, code: 'ok' })
    await new Promise((resolve) => setImmediate(resolve))
  }
  const closed = new Promise((resolve) => life.responses[0]?.once('close', resolve))
  await life.clock.advance(75_000)
  await closed
})

test('no more than 16 read at once, and stop() ends them all', async () => {
  await using life = await setup()
  const readers = await Promise.all(Array.from({ length: 16 }, () => life.read()))
  await Promise.all(readers.map((reader) => reader.until(/health-changed/)))
  await life.read()
  assert.match(String(life.refusal()), /16 read already/)
  readers[0]?.response.destroy()
  while (life.responses[0]?.closed !== true) await new Promise((done) => setImmediate(done))
  await (await life.read()).until(/health-changed/)
  const ended = new Promise((resolve) => readers[1]?.response.once('end', resolve))
  await life.feed.stop()
  await ended
})

test('the client gives the events one by one until it is told to stop or the node ends', async () => {
  const events = emitter()
  await using control = await startControl({ over: { events: { net: events, mcp: events } } })
  const url = control.api
  await using client = new ControlClient({ url, token: TOKEN, name: '/data', start: 'p2p start' })
  const leave = new AbortController()
  const seen: string[] = []
  for await (const event of client.events({ signal: leave.signal })) {
    seen.push(event.event)
    if (event.event === 'health-changed') events.emit('connected', { peer: PEER })
    if (event.event === 'peer-connected') break
  }
  assert.deepEqual(seen, ['ready', 'health-changed', 'peer-connected'])
  await assert.rejects(
    async () => {
      for await (const _ of client.events({ signal: leave.signal })) leave.abort()
    },
    { name: 'AbortError' },
  )
  const rest: string[] = []
  for await (const event of client.events()) {
    rest.push(event.event)
    if (rest.length === 2) await control.server.stop()
  }
  assert.deepEqual(rest, ['ready', 'health-changed'])
})
