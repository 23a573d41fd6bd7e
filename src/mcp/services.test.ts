import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { BOB, fixtureSpec, processGone, scratch } from '../../test/support/mcp-fixture.ts'
import { type Clock, Registry, secureRandom, silentLog, systemClock } from '../base/index.ts'
import { mcpConfig } from './config.ts'
import { mcpMetrics } from './metrics.ts'
import { Services } from './services.ts'
import type { ServiceStatus, ToolResult } from './tool.ts'

const ATTACHED = { detached: false }
const DETACHED = { detached: true }

function make(folder: string, clock: Clock = systemClock): Services & AsyncDisposable {
  const deps = {
    clock,
    random: secureRandom,
    log: silentLog,
    metrics: mcpMetrics(new Registry()),
    path: join(folder, 'services.json'),
  }
  const services = new Services(deps, mcpConfig.parse({ serviceStartTimeoutMs: 20_000 }))
  return Object.assign(services, { [Symbol.asyncDispose]: () => services.stop() })
}

/** Waits for what the service's own events say. */
async function until(services: Services, is: (status?: ServiceStatus) => boolean): Promise<void> {
  const reached = Promise.withResolvers<void>()
  const look = () => {
    if (is(services.list()[0])) reached.resolve()
  }
  const off = services.events.on('servicesChanged', look)
  look()
  await reached.promise
  off()
}

const said = ({ content }: ToolResult) => (content[0] as { text: string }).text

test('expose() offers the tools of a command, cleaned, and its calls work', async () => {
  await using folder = await scratch()
  await using services = make(folder.path)
  const status = await services.expose(fixtureSpec('fix'), ATTACHED)
  assert.equal(status.state, 'ready')
  const tool = (name: string) => status.tools.find((each) => each.name === name)
  assert.equal(tool('echo')?.description, 'says it again')
  assert.equal(tool('add')?.idempotent, true)
  assert.equal(tool('counter')?.idempotent, false)
  const result = await services.callTool('fix', 'add', { a: 2, b: 40 })
  assert.deepEqual(result.structuredContent, { sum: 42 })
})

test('expose() says why a command did not start, and keeps nothing of it', async () => {
  await using folder = await scratch()
  await using services = make(folder.path)
  const exits = fixtureSpec('fix', 'x', ['--exit', '7'])
  await assert.rejects(services.expose(exits, DETACHED), (error: Error) => {
    const { facts } = error as unknown as { facts: { exitCode: number; stderr: string[] } }
    assert.ok(coded('MCP_SERVICE_START_FAILED')(error))
    assert.equal(facts.exitCode, 7)
    assert.deepEqual(facts.stderr, ['fixture: going away'])
    return true
  })
  assert.deepEqual(services.list(), [])
  await assert.rejects(readFile(join(folder.path, 'services.json')))
})

test('expose() asks in the older era where the newer makes a server exit', async () => {
  await using folder = await scratch()
  await using services = make(folder.path)
  const script = `
    const say = (id, result) => console.log(JSON.stringify({ jsonrpc: '2.0', id, result }))
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, method, params } = JSON.parse(line)
      if (method === 'server/discover') process.exit(1)
      const { protocolVersion } = params ?? {}
      const serverInfo = { name: 'old', version: '1' }
      if (method === 'initialize') say(id, { protocolVersion, serverInfo, capabilities: {} })
    })`
  const source = { kind: 'stdio' as const, command: process.execPath, args: ['-e', script] }
  const spec = { name: 'old', source: { ...source, cwd: '/', env: {} } }
  assert.equal((await services.expose(spec, ATTACHED)).state, 'ready')
})

test('expose() gives up on a command that never answers', async () => {
  await using folder = await scratch()
  const { source } = fixtureSpec('mute')
  const mute = { ...source, args: ['-e', 'setInterval(() => {}, 1000)'] } as typeof source
  const deps = {
    clock: systemClock,
    random: secureRandom,
    log: silentLog,
    metrics: mcpMetrics(new Registry()),
    path: join(folder.path, 'services.json'),
  }
  const services = new Services(deps, mcpConfig.parse({ serviceStartTimeoutMs: 500 }))
  const exposed = services.expose({ name: 'mute', source: mute }, ATTACHED)
  await assert.rejects(exposed, coded('MCP_SERVICE_START_FAILED'))
  await services.stop()
})

test('two services cannot have one name, and an unknown one is named', async () => {
  await using folder = await scratch()
  await using services = make(folder.path)
  await services.expose(fixtureSpec('fix'), ATTACHED)
  await assert.rejects(services.expose(fixtureSpec('fix'), ATTACHED), coded('MCP_SERVICE_EXISTS'))
  await assert.rejects(services.unexpose('other'), coded('MCP_SERVICE_UNKNOWN'))
  await assert.rejects(services.callTool('other', 'x', {}), coded('MCP_SERVICE_UNKNOWN'))
  await assert.rejects(services.openSession('other', BOB), coded('MCP_SERVICE_UNKNOWN'))
  await services.unexpose('fix')
  assert.equal(services.get('fix'), undefined)
})

test('a service that dies in a call says so, and is up again with its restart counted', async () => {
  await using folder = await scratch()
  await using services = make(folder.path)
  await services.expose(fixtureSpec('fix'), ATTACHED)
  const before = said(await services.callTool('fix', 'pid', {}))
  await assert.rejects(services.callTool('fix', 'crash', {}), (error: Error) => {
    const { facts } = error as unknown as { facts: { sent: boolean } }
    return coded('MCP_SERVICE_FAILED')(error) && facts.sent
  })
  await until(services, (status) => status?.state === 'restarting')
  assert.match(services.get('fix')?.reason ?? '', /exited with code 3/)
  await assert.rejects(services.callTool('fix', 'pid', {}), coded('MCP_SERVICE_NOT_READY'))
  await until(services, (status) => status?.state === 'ready')
  assert.notEqual(said(await services.callTool('fix', 'pid', {})), before)
  assert.equal(services.get('fix')?.restarts, 1)
})

test('a service that offers more tools is asked again', async () => {
  await using folder = await scratch()
  await using services = make(folder.path)
  await services.expose(fixtureSpec('fix'), ATTACHED)
  await services.callTool('fix', 'grow', {})
  await until(services, (status) => status?.tools.some(({ name }) => name === 'grown') === true)
})

test('a call ends with the signal of its caller, and the tool is told', async () => {
  await using folder = await scratch()
  await using services = make(folder.path)
  const file = join(folder.path, 'notes')
  await services.expose(fixtureSpec('fix', file), ATTACHED)
  const gaveUp = new AbortController()
  const call = services.callTool('fix', 'slow', { ms: 60_000 }, { signal: gaveUp.signal })
  setImmediate(() => gaveUp.abort(new Error('never mind')))
  await assert.rejects(call, /never mind/)
  for (let tries = 0; tries < 200; tries += 1) {
    if ((await readFile(file, 'utf8').catch(() => '')) === 'cancelled\n') return
    await wait(25)
  }
  assert.fail('the tool was not told')
})

test('a detached service comes back with the node, an attached one does not', async () => {
  await using folder = await scratch()
  {
    await using services = make(folder.path)
    await services.start()
    await services.expose(fixtureSpec('kept'), DETACHED)
    await services.expose(fixtureSpec('passing'), ATTACHED)
  }
  await using services = make(folder.path)
  await services.start()
  assert.deepEqual(
    services.list().map(({ name, detached }) => [name, detached]),
    [['kept', true]],
  )
  await until(services, (status) => status?.state === 'ready')
  await services.unexpose('kept')
  assert.deepEqual(JSON.parse(await readFile(join(folder.path, 'services.json'), 'utf8')), {
    v: 1,
    services: [],
  })
})

test('a detached service whose command is gone does not keep the node from starting', async () => {
  await using folder = await scratch()
  const { source } = fixtureSpec('gone')
  const spec = { name: 'gone', source: { ...source, command: 'no-such-command' } }
  const text = JSON.stringify({ v: 1, services: [spec] })
  await writeFile(join(folder.path, 'services.json'), text)
  await using services = make(folder.path)
  await services.start()
  await until(services, (status) => status?.state === 'restarting')
  assert.match(services.get('gone')?.reason ?? '', /no-such-command/)
  assert.equal(await readFile(join(folder.path, 'services.json'), 'utf8'), text)
})

test('a service that fails again and again is called failed, and still tried', async () => {
  await using folder = await scratch()
  const { source } = fixtureSpec('gone')
  const spec = { name: 'gone', source: { ...source, command: 'no-such-command' } }
  const path = join(folder.path, 'services.json')
  await writeFile(path, JSON.stringify({ v: 1, services: [spec] }))
  const clock = new FakeClock()
  await using services = make(folder.path, clock)
  const states = new Map<number, string>()
  services.events.on('servicesChanged', ({ services: [status] }) => {
    if (status !== undefined) states.set(status.restarts, status.state)
  })
  await services.start()
  for (let failures = 1; failures <= 7; failures += 1) {
    await until(services, (status) => (status?.restarts ?? 0) >= failures)
    await clock.advance(60_000)
  }
  assert.deepEqual(
    [1, 5, 6, 7].map((failures) => states.get(failures)),
    ['restarting', 'restarting', 'failed', 'failed'],
  )
})

test('unexpose() ends the process of a service, and openSession() gives each its own', async () => {
  await using folder = await scratch()
  await using services = make(folder.path)
  await services.expose(fixtureSpec('fix'), ATTACHED)
  const pid = Number(said(await services.callTool('fix', 'pid', {})))
  const pipe = await services.openSession('fix', BOB)
  await services.unexpose('fix')
  assert.ok(await processGone(pid))
  assert.equal(await pipe.read(), undefined)
})
