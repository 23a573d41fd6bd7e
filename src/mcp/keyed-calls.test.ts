import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { coded } from '../../test/support/expect.ts'
import { BOB, type Duo, duo, fixtureSpec, scratch } from '../../test/support/mcp-fixture.ts'
import { z } from './index.ts'
import { KEPT_CHARS_MAX } from './journal.ts'
import { tool } from './own-tool.ts'
import { encodeMessage, OUTCOME_METHOD, parseFrame } from './protocol.ts'
import type { ToolResult } from './tool.ts'
import { codeOf } from './verdict.ts'

const KEY = 'key-of-one-call-1'
const OTHER = 'key-of-one-call-2'

/** Bob offers `count` of his own, slow enough to be cut off, and a third-party `counter`. */
async function setup(folder: string) {
  const net = await duo({ folder, config: { outcomeWaitMs: 5_000 } })
  let ran = 0
  const input = z.object({ ms: z.number() })
  const count = tool('count', { input }, async ({ ms }) => {
    await wait(ms)
    ran += 1
    return String(ran)
  })
  net.services.exposeTools('own', [count])
  return { net, ran: () => ran }
}

const call = (net: Duo, key: string, ms = 0) =>
  net.sessions.callTool(BOB, { service: 'own', tool: 'count', args: { ms }, key })

const question = (key: string) => ({ tool: 'count', key, withinMs: 0 })

const refused = (code: string) => (error: unknown) => codeOf(error) === code

function said({ content }: ToolResult): unknown {
  return (content as readonly { text: string }[])[0]?.text
}

test('a key that comes again is answered with what came of it, and runs once', async () => {
  await using folder = await scratch()
  const { net, ran } = await setup(folder.path)
  await using _ = net
  const [first, joined] = await Promise.all([call(net, KEY, 50), call(net, KEY, 50)])
  assert.equal(said(first), '1')
  assert.equal(said(joined), '1')
  assert.equal(said(await call(net, KEY, 50)), '1')
  assert.equal(ran(), 1)
  await assert.rejects(call(net, KEY, 51), refused('MCP_KEY_REUSED'))
  assert.equal(said(await call(net, OTHER)), '2')
})

test('a long result goes to who asked, and of it no more is kept than its size', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path, config: { outcomeWaitMs: 5_000 } })
  const long = 'x'.repeat(KEPT_CHARS_MAX)
  let ran = 0
  net.services.exposeTools('own', [
    tool('long', { input: z.object({}) }, () => {
      ran += 1
      return long
    }),
  ])
  const ask = () => net.sessions.callTool(BOB, { service: 'own', tool: 'long', args: {}, key: KEY })
  assert.equal(said(await ask()), long)
  await assert.rejects(ask(), (error: Error) => {
    assert.match(error.message, /too large to keep \(65\d{3} bytes\)/)
    return codeOf(error) === 'MCP_RESULT_NOT_KEPT'
  })
  assert.equal(ran, 1)
  assert.ok(net.journal.size.chars < 1_000)
})

test('a call whose stream breaks is carried to its end, and its outcome can be asked for', async () => {
  await using folder = await scratch()
  const { net, ran } = await setup(folder.path)
  await using _ = net
  await call(net, OTHER)
  const broken = assert.rejects(call(net, KEY, 300), coded('MCP_PEER_FAILED'))
  while (net.journal.size.entries < 2) await wait(10)
  net.cut()
  await broken
  const { signal } = new AbortController()
  const settled = await net.outcomes.settle(BOB, question(KEY), signal)
  assert.equal(settled.kind === 'ran' && said(settled.result), '2')
  assert.equal(ran(), 2)
})

test('the same for a third-party server, whose process outlives the stream', async () => {
  await using folder = await scratch()
  const file = join(folder.path, 'counted')
  await using net = await duo({ folder: folder.path, config: { outcomeWaitMs: 5_000 } })
  await net.services.expose(fixtureSpec('fix', file), { detached: false })
  const counter = (key: string) =>
    net.sessions.callTool(BOB, { service: 'fix', tool: 'counter', args: {}, key })
  assert.equal(said(await counter(KEY)), '1')
  net.cut()
  await wait(50)
  assert.equal(said(await counter(KEY)), '1')
  const codes: string[] = []
  net.services.events.on('callServed', ({ code }) => codes.push(code))
  const asked = { tool: 'slow', key: OTHER, withinMs: 0 }
  const slow = { service: 'fix', tool: 'slow', args: { ms: 400 }, key: OTHER }
  const broken = assert.rejects(net.sessions.callTool(BOB, slow), coded('MCP_PEER_FAILED'))
  // The process of the new stream takes as long as it takes.
  while (net.journal.size.entries < 2) await wait(10)
  net.cut()
  await broken
  const settled = await net.outcomes.settle(BOB, asked, new AbortController().signal)
  assert.equal(settled.kind === 'ran' && said(settled.result), 'done')
  assert.equal(await readFile(file, 'utf8'), 'ran\n', 'and nothing was cancelled')
  assert.deepEqual(codes, ['ok'], 'as it is counted and audited')
})

test('whoever asks for a call that never came withdraws it', async () => {
  await using folder = await scratch()
  const { net, ran } = await setup(folder.path)
  await using _ = net
  await wait(5)
  const settled = await net.outcomes.settle(BOB, question(KEY), new AbortController().signal)
  assert.equal(settled.kind, 'never')
  await assert.rejects(call(net, KEY), refused('MCP_CALL_NEVER_RAN'))
  assert.equal(ran(), 0)
})

test('a question that is none, and one that reaches back too far, are refused', async () => {
  await using folder = await scratch()
  const { net } = await setup(folder.path)
  await using _ = net
  const ask = async (params: Record<string, string | number>) => {
    const channel = net.open()
    const message = { jsonrpc: '2.0', id: 1, method: OUTCOME_METHOD, params }
    await channel.write(encodeMessage(message))
    const { error } = parseFrame((await channel.read()) ?? new Uint8Array())
    return (error as { data: { code: string } }).data.code
  }
  assert.equal(await ask({ key: 'short', withinMs: 0 }), 'MCP_REQUEST_INVALID')
  assert.equal(await ask({ key: KEY, withinMs: -1 }), 'MCP_REQUEST_INVALID')
  assert.equal(await ask({ key: KEY, withinMs: 1.5 }), 'MCP_REQUEST_INVALID')
  assert.equal(await ask({ key: KEY, withinMs: 60_000 }), 'MCP_CALL_LOST')
})

test('a key that is not of our form is refused before the tool', async () => {
  await using folder = await scratch()
  const { net, ran } = await setup(folder.path)
  await using _ = net
  await assert.rejects(call(net, 'short'), refused('MCP_REQUEST_INVALID'))
  assert.equal(ran(), 0)
})

test('a call that its caller cancels holds nothing back, and is lost', async () => {
  await using folder = await scratch()
  const { net } = await setup(folder.path)
  await using _ = net
  await call(net, OTHER)
  const given = new AbortController()
  const asked = { service: 'own', tool: 'count', args: { ms: 10_000 }, key: KEY }
  const cancelled = assert.rejects(net.sessions.callTool(BOB, asked, { signal: given.signal }))
  while (net.journal.size.entries < 2) await wait(10)
  given.abort(new Error('enough'))
  await cancelled
  await wait(50)
  const settled = await net.outcomes.settle(BOB, question(KEY), new AbortController().signal)
  assert.deepEqual(settled, { kind: 'unknown', code: 'MCP_CALL_LOST' })
})
