import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Client } from '@modelcontextprotocol/client'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { ALICE, BOB, fixtureSpec, scratch } from '../../test/support/mcp-fixture.ts'
import {
  type Clock,
  Registry,
  secureRandom,
  silentLog,
  systemClock,
  withCorrelation,
} from '../base/index.ts'
import { ByteBudget } from './byte-budget.ts'
import { mcpConfig } from './config.ts'
import { mcpMetrics } from './metrics.ts'
import { type Tool, type ToolContext, tool } from './own-tool.ts'
import { CORRELATION_META } from './protocol.ts'
import { Services } from './services.ts'
import { type ServiceStatus, z } from './tool.ts'
import { ChannelTransport } from './transport.ts'

const nothing = z.object({})
const SELF = { caller: null }

function make(options: { clock?: Clock; config?: object; path?: string } = {}) {
  const { clock = systemClock, config = {}, path = '/nowhere/services.json' } = options
  const metrics = mcpMetrics(new Registry())
  const deps = { clock, random: secureRandom, log: silentLog, metrics, path }
  const services = new Services(deps, mcpConfig.parse(config))
  return Object.assign(services, { [Symbol.asyncDispose]: () => services.stop() })
}

const add = tool('add', { input: z.object({ a: z.number(), b: z.number() }) }, ({ a, b }) => a + b)

/** A tool that ends when the test says so, and what it was called with. */
function slow() {
  const calls: ToolContext[] = []
  const ends: (() => void)[] = []
  const made = tool('slow', { input: nothing }, (_, context) => {
    calls.push(context)
    return new Promise<string>((resolve) => ends.push(() => resolve('done')))
  })
  return { made, calls, ends }
}

/** A client of the SDK on a stream of `peer`. */
async function clientOf(services: Services, service: string, peer = BOB): Promise<Client> {
  const pipe = await services.openSession(service, peer)
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(new ChannelTransport(pipe, { budget: new ByteBudget(1e6) }))
  return client
}

test('tools of this process are a service like any other, ready at once', async () => {
  await using services = make()
  const told: (readonly ServiceStatus[])[] = []
  services.events.on('servicesChanged', (now) => told.push(now.services))
  const status = services.exposeTools('calc', [add])
  assert.deepEqual(status, {
    name: 'calc',
    state: 'ready',
    tools: [add.info],
    restarts: 0,
    detached: false,
  })
  assert.deepEqual(services.list(), [status])
  const { content } = await services.callTool('calc', 'add', { a: 2, b: 40 }, SELF)
  assert.deepEqual(content, [{ type: 'text', text: '42' }])
  await services.unexpose('calc')
  assert.deepEqual(
    told.map((now) => now.map(({ name }) => name)),
    [['calc'], []],
  )
  await assert.rejects(services.callTool('calc', 'add', {}, SELF), coded('MCP_SERVICE_UNKNOWN'))
})

test('exposeTools() refuses bad names, empty lists, repeats and what is no tool', async () => {
  await using services = make()
  const invalid = coded('MCP_SERVICE_INVALID')
  assert.throws(() => services.exposeTools('Calc_1', [add]), invalid)
  assert.throws(() => services.exposeTools('calc', []), invalid)
  assert.throws(() => services.exposeTools('calc', [add, add]), invalid)
  assert.throws(() => services.exposeTools('calc', [{} as Tool]), invalid)
  assert.deepEqual(services.list(), [])
  services.exposeTools('calc', [add])
  assert.throws(() => services.exposeTools('calc', [add]), coded('MCP_SERVICE_EXISTS'))
  await assert.rejects(
    services.expose(fixtureSpec('calc'), { detached: false }),
    coded('MCP_SERVICE_EXISTS'),
  )
  for (let i = 1; i < 64; i += 1) services.exposeTools(`calc-${i}`, [add])
  assert.throws(() => services.exposeTools('more', [add]), coded('MCP_SERVICES_FULL'))
})

test('a peer lists and calls over a stream; the tool is told who it is and for which request', async () => {
  await using services = make()
  const seen: unknown[] = []
  const who = tool('who', { input: nothing, title: 'Who' }, (_, context) => {
    seen.push([context.caller, context.correlationId])
    return { ok: true }
  })
  services.exposeTools('calc', [who])
  const client = await clientOf(services, 'calc')
  const { tools } = await client.listTools()
  assert.deepEqual(
    tools.map(({ name, title }) => [name, title]),
    [['who', 'Who']],
  )
  const _meta = { [CORRELATION_META]: 'abc' }
  const params = { name: 'who', arguments: {}, _meta }
  const result = await client.request({ method: 'tools/call', params })
  assert.deepEqual(result.structuredContent, { ok: true })
  await withCorrelation('mine', () => services.callTool('calc', 'who', {}, SELF))
  assert.deepEqual(seen, [
    [BOB, 'abc'],
    [null, 'mine'],
  ])
  await client.close()
})

test('a call of nobody in particular is refused: it would pass for one of this node', async () => {
  await using services = make()
  services.exposeTools('calc', [add])
  await assert.rejects(services.callTool('calc', 'add', {}), coded('MCP_REQUEST_INVALID'))
})

test('a tool that is not there is an error that says so, here and at a peer', async () => {
  await using services = make()
  services.exposeTools('calc', [add])
  await assert.rejects(services.callTool('calc', 'mul', {}, SELF), coded('MCP_TOOL_ERROR'))
  const client = await clientOf(services, 'calc')
  const params = { name: 'mul', arguments: {} }
  await assert.rejects(client.request({ method: 'tools/call', params }), { code: -32_602 })
  await client.close()
})

test('callTool() gives up in time, and with its caller; the tool is told', async () => {
  const clock = new FakeClock()
  await using services = make({ clock })
  const { made, calls, ends } = slow()
  services.exposeTools('calc', [made])
  const failed = coded('MCP_SERVICE_FAILED')

  const late = assert.rejects(services.callTool('calc', 'slow', {}, SELF), failed)
  await clock.advance(30_000)
  await late
  const soon = { ...SELF, timeoutMs: 100 }
  const sooner = assert.rejects(services.callTool('calc', 'slow', {}, soon), failed)
  await clock.advance(100)
  await sooner
  const given = new AbortController()
  const left = services.callTool('calc', 'slow', {}, { ...SELF, signal: given.signal })
  await clock.advance(0)
  given.abort(new RangeError('enough'))
  await assert.rejects(left, failed)
  assert.deepEqual(
    calls.map(({ signal }) => signal.aborted),
    [true, true, true],
  )
  for (const end of ends) end()
})

test('a tool that goes on after its time keeps its place', async () => {
  const clock = new FakeClock()
  await using services = make({ clock, config: { concurrentMax: 3 } })
  const { made, ends } = slow()
  services.exposeTools('calc', [made, add])
  const call = () => services.callTool('calc', 'slow', {}, { ...SELF, timeoutMs: 100 })
  const first = [call(), call()].map((each) => assert.rejects(each, coded('MCP_SERVICE_FAILED')))
  await assert.rejects(call(), coded('MCP_BUSY'))
  await clock.advance(100)
  await Promise.all(first)
  await assert.rejects(call(), coded('MCP_BUSY'), 'both functions still run')
  const sum = await services.callTool('calc', 'add', { a: 1, b: 2 }, { caller: BOB })
  assert.deepEqual(sum.content, [{ type: 'text', text: '3' }], 'and leave a place to other tools')
  for (const end of ends) end()
  await clock.advance(0)
  const last = call()
  await clock.advance(0)
  ends.at(-1)?.()
  assert.deepEqual((await last).content, [{ type: 'text', text: 'done' }])
})

test('withdrawing tells tools that run and ends streams, and waits a second at most', async () => {
  const clock = new FakeClock()
  await using services = make({ clock })
  const { made, calls, ends } = slow()
  services.exposeTools('calc', [made])
  const client = await clientOf(services, 'calc')
  const closed = new Promise<void>((resolve) => {
    client.onclose = () => resolve()
  })
  const local = services.callTool('calc', 'slow', {}, SELF)
  const failed = assert.rejects(local, coded('MCP_SERVICE_FAILED'))
  await clock.advance(0)
  const gone = services.unexpose('calc')
  await closed
  await failed
  assert.equal(calls[0]?.signal.aborted, true)
  await clock.advance(1_000)
  await gone
  for (const end of ends) end()
})

test('one peer has eight streams to a service at most', async () => {
  await using services = make()
  services.exposeTools('calc', [add])
  const pipes = await Promise.all(
    Array.from({ length: 8 }, () => services.openSession('calc', BOB)),
  )
  await assert.rejects(services.openSession('calc', BOB), coded('MCP_SESSIONS_FULL'))
  await services.openSession('calc', ALICE)
  await pipes[0]?.close()
  await services.openSession('calc', BOB)
})

test('expose() heeds its signal: nothing of the service stays', async () => {
  await using folder = await scratch()
  await using services = make({ path: join(folder.path, 'services.json') })
  const given = new AbortController()
  const hanging = { kind: 'stdio' as const, command: 'sleep', args: ['60'], cwd: '/', env: {} }
  const started = services.expose(
    { name: 'slow', source: hanging },
    { detached: true, signal: given.signal },
  )
  given.abort(new RangeError('changed my mind'))
  await assert.rejects(started, /changed my mind/)
  assert.deepEqual(services.list(), [])
  await assert.rejects(
    services.expose(fixtureSpec('fix'), { detached: false, signal: given.signal }),
    /changed my mind/,
  )
  assert.deepEqual(services.list(), [])
})

test('a call that is over leaves nothing behind', async () => {
  await using services = make()
  const signals: WeakRef<AbortSignal>[] = []
  const noted = tool('noted', { input: nothing }, (_, { signal }) => {
    signals.push(new WeakRef(signal))
  })
  services.exposeTools('calc', [noted])
  for (let i = 0; i < 50; i += 1) await services.callTool('calc', 'noted', {}, SELF)
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let i = 0; i < 3; i += 1) {
    await new Promise(setImmediate)
    gc()
  }
  assert.deepEqual(signals.filter((signal) => signal.deref() !== undefined).length, 0)
})
