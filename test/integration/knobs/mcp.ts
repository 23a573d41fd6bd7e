/** What the knobs of `[mcp]` change, those of the gateway aside. */

import { Registry, seededRandom, silentLog, systemClock } from '../../../src/base/index.ts'
import { PUBLIC } from '../../../src/mcp/exposure.ts'
import { RequestGate } from '../../../src/mcp/gate.ts'
import {
  Directory,
  mcpMetrics,
  Router,
  Scores,
  Services,
  type ToolEntry,
} from '../../../src/mcp/index.ts'
import { pipePair } from '../../../src/mcp/pipe.ts'
import { encodeMessage, SERVICE_META } from '../../../src/mcp/protocol.ts'
import { InboundStreams } from '../../../src/mcp/server.ts'
import type { Channel } from '../../../src/net/index.ts'
import type { NodeConfig } from '../../../src/node/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import {
  FakeDht,
  FakeHost,
  FakeServices,
  testConnection,
  testPeer,
  testService,
  testTool,
  untilAborted,
} from '../../support/mcp-directory.ts'
import { ALICE, BOB, channelPair, duo, fixtureSpec, scratch } from '../../support/mcp-fixture.ts'
import { type Observations, type Observe, outcome, quiet, timeOf } from './observation.ts'

const SELF = testPeer(100)
const PEERS = [1, 2, 3, 4].map(testPeer)

function metrics() {
  return mcpMetrics(new Registry())
}

/** A stream that was open before the knob was turned: it must heed it all the same. */
function stream({ mcp: config }: NodeConfig) {
  const clock = new FakeClock()
  const policy = { admit: () => undefined }
  const gate = new RequestGate({ policy, clock, metrics: metrics() }, config)
  const expired = Promise.withResolvers<void>()
  return { clock, open: gate.forStream(ALICE, () => expired.resolve()), expired: expired.promise }
}

const inWork: Observe = (config, made) => {
  const { open } = stream(config)
  made()
  let taken = 0
  while (taken < 200 && open.enter(taken, 'm') === undefined) taken += 1
  return taken
}

/** A router before peers that never answer. */
function router({ mcp: config }: NodeConfig) {
  const clock = new FakeClock()
  const tried: number[] = []
  const entries = PEERS.map((peer): ToolEntry => {
    return { tool: 'echo', service: 's', peer, description: '', idempotent: true }
  })
  const found = { entries, services: [], asked: 4, failed: [], cached: false }
  const deps = {
    directory: { lookup: async () => found, find: async () => found, forget: () => undefined },
    sessions: {
      callTool: (_peer: string, _: unknown, { signal }: { signal?: AbortSignal } = {}) => {
        tried.push(clock.now())
        return untilAborted(signal)
      },
    },
    local: { callTool: () => Promise.reject(new TypeError('nobody asks us')) },
    host: { self: SELF, connections: () => [testConnection(SELF)] },
    scores: new Scores(clock),
    clock,
    random: seededRandom('router'),
    log: silentLog,
    metrics: metrics(),
  }
  return { router: new Router(deps, config), clock, tried }
}

/** When a call tries one silent peer after the other, and how long it takes in all. */
const called: Observe = async (config, made) => {
  const { router: calls, clock, tried } = router(config)
  made()
  const ms = await timeOf(clock, calls.call('echo', {}), { stepMs: 500, maxMs: 120_000 })
  return { ms, tried }
}

const served: Observe = async (config, made) => {
  const { clock, open, expired } = stream(config)
  made()
  open.enter(1, 'm')
  return {
    inbound: await timeOf(clock, expired, { stepMs: 500, maxMs: 120_000 }),
    outbound: await called(config, () => undefined),
  }
}

const sessions: Observe = async ({ mcp: config }) => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path, config: { sessionsMax: config.sessionsMax } })
  await net.services.expose(fixtureSpec('fix'), { detached: false })
  const open = () => net.services.openSession('fix', ALICE)
  return [await outcome(open), await outcome(open)]
}

/** Whether a stream of a peer that says nothing for a minute is still there. */
const idle: Observe = async ({ mcp: config }) => {
  const clock = new FakeClock()
  let serve: (channel: Channel) => Promise<void> = async () => undefined
  const [backend, service] = pipePair()
  void service.read()
  const server = new InboundStreams(
    {
      host: {
        handle: async (_, handler) => {
          serve = handler
        },
      },
      services: {
        list: () => [],
        callTool: () => Promise.reject(new TypeError('nobody calls')),
        secretOf: () => undefined,
        unknown: () => new TypeError('nobody asks'),
        openSession: async () => backend,
        exposureOf: () => PUBLIC,
        events: new FakeServices().events,
      },
      policy: { admit: () => undefined },
      clock,
      log: silentLog,
      metrics: metrics(),
      network: 'test',
      version: '0',
    },
    config,
  )
  await server.start()
  const [near, far] = channelPair(ALICE, BOB)
  let over = false
  void serve(far).then(() => {
    over = true
  })
  const params = { _meta: { [SERVICE_META]: 'x' } }
  await near.write(encodeMessage({ jsonrpc: '2.0', method: 'notifications/initialized', params }))
  await quiet()
  await clock.advance(60_000)
  await quiet()
  const found = over
  await server.stop()
  return found
}

/** Whether a program that never speaks is still waited for after three seconds. */
const startTime: Observe = async ({ mcp: config }, made) => {
  await using folder = await scratch()
  const path = `${folder.path}/services.json`
  const room = { clock: systemClock, random: seededRandom('s'), log: silentLog, metrics: metrics() }
  const services = new Services({ ...room, path }, config)
  made()
  const source = { kind: 'stdio', command: 'sleep', args: ['30'], cwd: '/', env: {} } as const
  const exposed = outcome(() => services.expose({ name: 'mute', source }, { detached: false }))
  const waited = systemClock.sleep(3_000).then(() => 'still waiting')
  try {
    return await Promise.race([exposed, waited])
  } finally {
    await services.stop()
    await exposed
  }
}

function directory({ mcp: config }: NodeConfig) {
  const clock = new FakeClock()
  const dht = new FakeDht()
  // Enough of them, so that nothing is stored again before its time.
  dht.holders.push(ALICE, BOB)
  const services = new FakeServices()
  const host = new FakeHost(SELF)
  const own = { dht: dht.as(SELF), services, host, sessions: { listTools: async () => [] } }
  let told = 0
  const topic = {
    publish: async () => {
      told += 1
    },
    listen: async () => undefined,
  }
  const room = { version: '1', random: seededRandom('d'), clock, log: silentLog, topic }
  const made = new Directory({ ...own, ...room }, config)
  return { directory: made, clock, dht, services, told: () => told }
}

const lookupTime: Observe = async (config, made) => {
  const { directory: found, clock, dht } = directory(config)
  dht.silent.add('mcp:tool:add')
  made()
  return timeOf(clock, found.find({ tool: 'add' }), { stepMs: 250, maxMs: 60_000 })
}

const renewed: Observe = async (config) => {
  const { directory: found, clock, dht, services } = directory(config)
  services.set(testService('calc', [testTool('add')]))
  await found.start()
  await clock.advance(5_000)
  const before = dht.puts
  await clock.advance(60_000)
  const after = dht.puts
  await found.stop()
  return after > before
}

const announced: Observe = async (config) => {
  const { directory: found, clock, services, told } = directory(config)
  services.set(testService('calc', [testTool('add')]))
  await found.start()
  await clock.advance(5_000)
  const before = told()
  await Promise.all([found.stop(), clock.advance(0)])
  return before
}

export const mcpObservations: Observations = {
  'mcp.max_concurrent_requests': { value: 3, observe: inWork },
  'mcp.request_timeout': { value: 4, observe: served },
  'mcp.attempts_max': { value: 1, observe: called },
  'mcp.attempt_timeout': { value: 2, observe: called },
  'mcp.sessions_max': { value: 1, observe: sessions },
  'mcp.session_idle': { value: 10, observe: idle },
  'mcp.service_start_timeout': { value: 0.1, observe: startTime },
  'mcp.lookup_timeout': { value: 1, observe: lookupTime },
  'mcp.announce_services': { value: false, observe: announced },
  'mcp.descriptor_renew': { value: 10, observe: renewed },
}
