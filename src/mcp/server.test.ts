import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { Client } from '@modelcontextprotocol/client'
import {
  ALICE,
  BOB,
  type Duo,
  duo,
  fixtureSpec,
  processGone,
  scratch,
} from '../../test/support/mcp-fixture.ts'
import { AccessError } from '../access/index.ts'
import type { Channel } from '../net/index.ts'
import { ByteBudget } from './byte-budget.ts'
import { tool } from './own-tool.ts'
import { encodeMessage, parseFrame, SERVICE_META } from './protocol.ts'
import { ChannelTransport } from './transport.ts'

const EVERYTHING = createRequire(import.meta.url).resolve(
  '@modelcontextprotocol/server-everything/dist/index.js',
)
const EVERYTHING_SPEC = {
  name: 'everything',
  source: {
    kind: 'stdio' as const,
    command: process.execPath,
    args: [EVERYTHING, 'stdio'],
    cwd: process.cwd(),
    env: {},
  },
}

type Mode = 'legacy' | { pin: string }
const ERAS: readonly Mode[] = ['legacy', { pin: '2026-07-28' }]

/** A plain SDK client of Alice's on a stream to Bob, in one era. */
async function clientOf(net: Duo, mode: Mode, service?: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
  const budget = new ByteBudget(1 << 26)
  const meta = service === undefined ? {} : { firstMeta: { [SERVICE_META]: service } }
  await client.connect(new ChannelTransport(net.open(), { budget, ...meta }))
  return client
}

const pid = async (client: Client, name = 'pid') => {
  const { content } = await client.callTool({ name })
  return (content[0] as { text: string }).text
}

async function ask(channel: Channel, message: object): Promise<string> {
  await channel.write(encodeMessage({ jsonrpc: '2.0', ...message }))
  const frame = await channel.read()
  return frame === undefined ? 'the end' : JSON.stringify(parseFrame(frame))
}

for (const mode of ERAS) {
  const era = typeof mode === 'string' ? mode : mode.pin
  test(`a stream that selects nothing has the tools of all services (${era})`, async () => {
    await using folder = await scratch()
    await using net = await duo({ folder: folder.path })
    await net.services.expose(fixtureSpec('one'), { detached: false })
    await net.services.expose(fixtureSpec('two'), { detached: false })
    const client = await clientOf(net, mode)
    const { tools } = await client.listTools()
    const names = tools.map(({ name }) => name)
    assert.ok(names.includes('one_add') && names.includes('two_add'))
    const add = tools.find(({ name }) => name === 'one_add')
    assert.equal(add?.annotations?.idempotentHint, true)
    const result = await client.callTool({ name: 'two_add', arguments: { a: 2, b: 40 } })
    assert.deepEqual(result.structuredContent, { sum: 42 })
    await assert.rejects(client.callTool({ name: 'three_add' }), /SERVICE_UNKNOWN|none of the 2/)
    await assert.rejects(client.callTool({ name: 'add' }), /<service>_<tool>/)
    await client.close()
  })
}

test('a stream that selects nothing is not told what is not published, and may call it', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const unlisted = { visibility: 'peers' as const }
  const secret = tool('tell', {}, () => 'told')
  net.services.exposeTools('diary', [secret], undefined, unlisted)
  net.services.exposeTools('node', [secret], undefined, unlisted)
  net.services.exposeTools('open', [secret])
  const client = await clientOf(net, 'legacy')
  const { tools } = await client.listTools()
  assert.deepEqual(tools.map(({ name }) => name).sort(), ['node_tell', 'open_tell'])
  const { content } = await client.callTool({ name: 'diary_tell' })
  assert.deepEqual(content, [{ type: 'text', text: 'told' }])
  await client.close()
})

test('a stream that selects a service has a process of its own', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  await net.services.expose(fixtureSpec('fix'), { detached: false })
  const clients = await Promise.all(ERAS.map((mode) => clientOf(net, mode, 'fix')))
  const pids = await Promise.all(clients.map((client) => pid(client)))
  const own = await net.services.callTool('fix', 'pid', {})
  assert.equal(new Set([...pids, (own.content[0] as { text: string }).text]).size, 3)
  for (const client of clients) await client.close()
  for (const each of pids) assert.ok(await processGone(Number(each)))
})

test('a third-party server works through a stream, in its own era', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const status = await net.services.expose(EVERYTHING_SPEC, { detached: false })
  assert.ok(status.tools.some(({ name }) => name === 'get-sum'))
  const result = await net.sessions.callTool(BOB, {
    service: 'everything',
    tool: 'get-sum',
    args: { a: 2, b: 40 },
  })
  assert.match(JSON.stringify(result.content), /42/)
})

test('a stream for a service that is not there is refused with a code', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const params = { _meta: { [SERVICE_META]: 'nope' } }
  const channel = net.open()
  assert.match(await ask(channel, { id: 1, method: 'tools/list', params }), /MCP_SERVICE_UNKNOWN/)
  assert.equal(await channel.read(), undefined)
})

test('a stream is refused before anything is started for it', async () => {
  await using folder = await scratch()
  let admitted = true
  const admit = () => {
    if (admitted) return
    throw AccessError.QUOTA({ peer: ALICE, action: 'mcp.call', of: 'peer', retryAfterMs: 1 })
  }
  await using net = await duo({ folder: folder.path, admit })
  await net.services.expose(fixtureSpec('fix'), { detached: false })
  admitted = false
  const params = { _meta: { [SERVICE_META]: 'fix' } }
  const channel = net.open()
  const answer = await ask(channel, { id: 1, method: 'tools/list', params })
  assert.match(answer, /"code":"ACCESS_QUOTA".*"retryable":true/)
  assert.equal(await channel.read(), undefined)
})

test('a stream above the limit of its service is refused', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path, config: { sessionsMax: 2 } })
  await net.services.expose(fixtureSpec('fix'), { detached: false })
  const clients = [await clientOf(net, 'legacy', 'fix'), await clientOf(net, 'legacy', 'fix')]
  const params = { _meta: { [SERVICE_META]: 'fix' } }
  assert.match(await ask(net.open(), { id: 1, method: 'm', params }), /MCP_SESSIONS_FULL/)
  for (const client of clients) await client.close()
})

test('requests above the limit of the node wait for a place, and are answered', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path, config: { concurrentMax: 2 } })
  await net.services.expose(fixtureSpec('fix'), { detached: false })
  const client = await clientOf(net, 'legacy')
  const slow = () => client.callTool({ name: 'fix_slow', arguments: { ms: 300 } })
  const calls = await Promise.allSettled([slow(), slow(), slow()])
  assert.deepEqual(
    calls.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled'],
  )
  assert.deepEqual([net.server.requestsInWork, net.server.requestsWaiting], [0, 0])
  await client.close()
})

test('a request that waits for its place can be taken back, and never reaches the tool', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path, config: { concurrentMax: 1 } })
  await net.services.expose(fixtureSpec('fix', `${folder.path}/notes`), { detached: false })
  const client = await clientOf(net, 'legacy')
  const slow = client.callTool({ name: 'fix_slow', arguments: { ms: 200 } })
  const giveUp = new AbortController()
  const counted = client.callTool({ name: 'fix_counter' }, { signal: giveUp.signal })
  counted.catch(() => {})
  while (net.server.requestsWaiting === 0) await new Promise(setImmediate)
  giveUp.abort()
  await assert.rejects(counted)
  await slow
  const { content } = await client.callTool({ name: 'fix_counter' })
  assert.equal((content[0] as { text: string }).text, '1')
  await client.close()
})

test('a request above its time is answered so and the tool is told', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path, config: { requestTimeoutMs: 400 } })
  await net.services.expose(fixtureSpec('fix', `${folder.path}/notes`), { detached: false })
  const client = await clientOf(net, 'legacy')
  const call = client.callTool({ name: 'fix_slow', arguments: { ms: 60_000 } })
  await assert.rejects(call, /not done after 400 ms|deadline/)
  await client.close()
})

test('a list that changes is told to whoever listens', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const client = await clientOf(net, 'legacy')
  const told = new Promise<void>((resolve) => {
    client.setNotificationHandler('notifications/tools/list_changed', () => resolve())
  })
  assert.deepEqual((await client.listTools()).tools, [])
  await net.services.expose(fixtureSpec('fix'), { detached: false })
  await told
  await client.close()
})

test('a stream that begins with an answer is ended', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const channel = net.open()
  await channel.write(encodeMessage({ jsonrpc: '2.0', id: 1, result: {} }))
  await assert.rejects(channel.read())
})

test('stop() ends every stream and takes no more', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const client = await clientOf(net, 'legacy')
  const closed = new Promise<void>((resolve) => {
    client.onclose = resolve
  })
  await net.server.stop()
  await closed
  await assert.rejects(net.open().read())
})
