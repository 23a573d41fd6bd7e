import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { McpError } from './errors.ts'
import { pipePair } from './pipe.ts'

const frame = (byte: number) => Uint8Array.of(byte)

test('a pipe carries frames in order, in both directions', async () => {
  const [a, b] = pipePair()
  const writes = [a.write(frame(1)), a.write(frame(2)), b.write(frame(3))]
  assert.deepEqual(await b.read(), frame(1))
  assert.deepEqual(await b.read(), frame(2))
  assert.deepEqual(await a.read(), frame(3))
  await Promise.all(writes)
})

test('write() waits until its frame is read', async () => {
  const [a, b] = pipePair()
  let written = false
  const write = a.write(frame(1)).then(() => {
    written = true
  })
  await new Promise(setImmediate)
  assert.equal(written, false)
  await b.read()
  await write
})

test('close() lets offered frames be read, and then ends', async () => {
  const [a, b] = pipePair()
  const write = a.write(frame(1))
  await a.close()
  assert.deepEqual(await b.read(), frame(1))
  await write
  assert.equal(await b.read(), undefined)
  await assert.rejects(b.write(frame(2)), coded('MCP_PIPE_ENDED'))
})

test('close() ends a read that waits', async () => {
  const [a, b] = pipePair()
  const reads = [a.read(), b.read()]
  await a.close()
  assert.deepEqual(await Promise.all(reads), [undefined, undefined])
})

test('abort() drops what was offered and tells both ends why', async () => {
  const [a, b] = pipePair()
  const write = a.write(frame(1))
  const read = a.read()
  b.abort(McpError.BUSY({ what: 'x', limit: 1 }))
  for (const work of [write, read, b.read(), a.write(frame(1))]) {
    await assert.rejects(work, coded('MCP_BUSY'))
  }
})

test('a signal ends waiting, and the frame that waited is not sent', async () => {
  const [a, b] = pipePair()
  const gaveUp = new AbortController()
  const { signal } = gaveUp
  const work = [a.write(frame(1), { signal }), a.read({ signal })]
  gaveUp.abort(McpError.BUSY({ what: 'x', limit: 1 }))
  for (const each of work) await assert.rejects(each, coded('MCP_BUSY'))
  await assert.rejects(a.read({ signal }), coded('MCP_BUSY'))
  await assert.rejects(a.write(frame(1), { signal }), coded('MCP_BUSY'))
  const write = a.write(frame(2))
  assert.deepEqual(await b.read(), frame(2))
  await write
})
