import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { processGone } from '../../test/support/mcp-fixture.ts'
import { silentLog, systemClock, utf8 } from '../base/index.ts'
import { Child } from './child.ts'

const deps = { clock: systemClock, log: silentLog }

/** A process that runs `script`; no test depends on how long it lives. */
function start(script: string, more: { command?: string; cwd?: string } = {}): Promise<Child> {
  const source = {
    kind: 'stdio' as const,
    command: process.execPath,
    args: ['-e', script],
    cwd: process.cwd(),
    env: { P2P_TEST: 'given' },
    ...more,
  }
  return Child.start('test', source, deps)
}

const text = (frame: Uint8Array | undefined) => Buffer.from(frame ?? []).toString()

test('a child echoes frames, and what is no object is passed over', async () => {
  const child = await start(`
    console.log('Welcome!\\n')
    process.stdin.pipe(process.stdout)`)
  await child.write(utf8('{"a":1}'))
  await child.write(utf8('{"b":2}'))
  assert.equal(text(await child.read()), '{"a":1}')
  assert.equal(text(await child.read()), '{"b":2}')
  await child.close()
})

test('a child is given the environment it was promised, and none of our own', async () => {
  process.env.P2P_SECRET = 'ours'
  const child = await start(`console.log(JSON.stringify(process.env))`)
  const env = JSON.parse(text(await child.read())) as Record<string, string>
  delete process.env.P2P_SECRET
  assert.equal(env.P2P_TEST, 'given')
  assert.equal(env.P2P_SECRET, undefined)
  assert.notEqual(env.PATH, undefined)
  await child.close()
})

test('no shell reads the command', async () => {
  const source = { kind: 'stdio' as const, args: [], cwd: '/', env: {} }
  const child = Child.start('test', { ...source, command: 'echo {}; true' }, deps)
  await assert.rejects(child, coded('MCP_SERVICE_START_FAILED'))
})

test('a command or a folder that is not there is named', async () => {
  await assert.rejects(start('', { command: 'no-such-command' }), /no-such-command/)
  await assert.rejects(start('', { cwd: '/no/such/folder' }), /\/no\/such\/folder/)
})

test('what it wrote last can be read after it ended, and then the end', async () => {
  const child = await start(`console.log('{"last":1}'); console.error('why'); process.exit(5)`)
  assert.deepEqual(await child.exited, { code: 5, reason: 'it exited with code 5' })
  assert.equal(text(await child.read()), '{"last":1}')
  assert.equal(await child.read(), undefined)
  assert.deepEqual(child.lastLines, ['why'])
  await child.close()
})

test('close() ends the whole tree of a process that does not want to go', async () => {
  const grandchild = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`
  const child = await start(`
    process.on('SIGTERM', () => {})
    const { spawn } = require('node:child_process')
    const below = spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}], { stdio: 'ignore' })
    below.on('spawn', () => console.log(JSON.stringify({ pid: below.pid })))
    setInterval(() => {}, 1000)`)
  const { pid } = JSON.parse(text(await child.read())) as { pid: number }
  const started = performance.now()
  await child.close()
  assert.ok(performance.now() - started < 5_000)
  assert.ok(await processGone(pid))
  assert.ok(await processGone(child.pid ?? 0))
})

test('what a process started ends with it', async () => {
  const child = await start(`
    const { spawn } = require('node:child_process')
    const below = spawn('sleep', ['1000'], { stdio: 'ignore' })
    below.on('spawn', () => { console.log(JSON.stringify({ pid: below.pid })); process.exit(0) })`)
  const { pid } = JSON.parse(text(await child.read())) as { pid: number }
  await child.exited
  assert.ok(await processGone(pid))
})

test('a line above the limit of a frame is refused to whoever asked, and the next is read', async () => {
  const child = await start(`
    const text = 'x'.repeat(17 * 1024 * 1024)
    console.log('{'.repeat(17 * 1024 * 1024))
    console.log(JSON.stringify({ jsonrpc: '2.0', result: { content: [{ type: 'text', text }] }, id: 7 }))
    console.log('{"next":1}')`)
  const refusal = text(await child.read())
  assert.match(refusal, /"id":7/)
  assert.match(refusal, /MCP_RESULT_TOO_LARGE/)
  assert.equal(text(await child.read()), '{"next":1}')
  await child.close()
})

test('a frame to a process that is gone is refused with a code', async () => {
  const child = await start('process.exit(0)')
  await child.exited
  await child.close()
  await assert.rejects(child.write(utf8('{}')), coded('MCP_SERVICE_ENDED'))
})

test('a write to a process that does not read ends with its signal', async () => {
  const child = await start('setInterval(() => {}, 1000)')
  const gaveUp = new AbortController()
  const write = child.write(new Uint8Array(8 * 1024 * 1024), { signal: gaveUp.signal })
  gaveUp.abort(new Error('enough'))
  await assert.rejects(write, /enough/)
  await child.close()
})
