import assert from 'node:assert/strict'
import { request as send } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { ask, startControl, TOKEN } from '../../test/support/control.ts'
import { coded } from '../../test/support/expect.ts'
import { untilAborted } from '../../test/support/mcp-directory.ts'
import { fakeNode, PEER } from '../../test/support/served-node.ts'
import { CodedError, defineErrors, hasCode, type Logger, silentLog } from '../base/index.ts'
import { ControlClient } from './client.ts'

const PART = Buffer.from('{"content":[')
const HEAD = { peer: PEER, bytes: 1_000, sha256: 'ab'.repeat(32) }

const TestError = defineErrors('TEST', {
  BROKEN: { says: ({ why }: { why: string; tried?: string }) => `Cannot go on: ${why}` },
})

/** A node whose tool sends a part of its result, and then fails; `log` is what it writes. */
async function broken(error: unknown, log?: Logger) {
  const { tools } = fakeNode().node
  const call: typeof tools.call = async (_tool, _args, { onlarge }) => {
    const parts = (async function* () {
      yield PART
      throw error
    })()
    await onlarge?.({ ...HEAD, parts })
    return assert.fail('the parts end with an error')
  }
  const control = await startControl({
    over: { tools: { ...tools, call } },
    ...(log && { log }),
  })
  const client = new ControlClient({ url: control.api, token: TOKEN, name: '/data', start: 'x' })
  return {
    control,
    client,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      await control[Symbol.asyncDispose]()
    },
  }
}

async function taken(client: ControlClient) {
  const { head, parts } = await client.callOutput({ tool: 'big', args: {} })
  const chunks: Uint8Array[] = []
  const failure = await (async () => {
    for await (const part of parts) chunks.push(part)
  })().then(
    () => undefined,
    (error: unknown) => error,
  )
  return { head, got: Buffer.concat(chunks).toString(), failure }
}

test('a result that breaks off says why behind its last byte, and the node goes on', async () => {
  const why = 'the peer “Zoë” is gone\r\n\u{1f4a5}'
  await using made = await broken(TestError.BROKEN({ why }))
  const { head, got, failure } = await taken(made.client)
  assert.deepEqual([head.bytes, got], [HEAD.bytes, PART.toString()])
  assert.ok(failure instanceof CodedError && hasCode(failure, 'TEST_BROKEN'), String(failure))
  assert.equal(failure.message, `Cannot go on: ${why}`)
  assert.deepEqual(failure.facts, { why })
  assert.equal((await made.client.status()).peerId, PEER)
})

test('a long reason is said without its facts, and what is no error of ours as our own', async () => {
  await using long = await broken(TestError.BROKEN({ why: 'short', tried: 'é'.repeat(20_000) }))
  const { failure } = await taken(long.client)
  assert.ok(failure instanceof CodedError && hasCode(failure, 'TEST_BROKEN'), String(failure))
  assert.deepEqual([failure.message, failure.facts], ['Cannot go on: short', null])
  const errors: string[] = []
  const log = { ...silentLog, error: (message: string) => void errors.push(message) }
  await using own = await broken(new TypeError('a secret'), { ...log, child: () => log })
  const { failure: internal } = await taken(own.client)
  assert.ok(coded('CONTROL_INTERNAL')(internal))
  assert.doesNotMatch(String(internal), /secret/)
  assert.deepEqual(errors, ['result broke off'], 'its reader finds the cause in the log')
})

test('a caller that gives up in the middle gets its own reason', async () => {
  const { tools } = fakeNode().node
  const call: typeof tools.call = async (_tool, _args, { onlarge, signal }) => {
    const parts = (async function* () {
      yield PART
      await untilAborted(signal)
    })()
    await onlarge?.({ ...HEAD, parts })
    return assert.fail('nobody waits for the end')
  }
  await using control = await startControl({ over: { tools: { ...tools, call } } })
  await using client = new ControlClient({ url: control.api, token: TOKEN, name: 'x', start: 'x' })
  const given = new AbortController()
  const options = { signal: given.signal }
  const { parts } = await client.callOutput({ tool: 'big', args: {} }, options)
  const left = async () => {
    for await (const _ of parts) given.abort(new RangeError('never mind'))
  }
  await assert.rejects(left(), RangeError)
})

test('HTTP/1.0 has no trailers, whoever says to read them', async () => {
  await using made = await broken(TestError.BROKEN({ why: 'the peer is gone' }))
  const { hostname, port } = new URL(made.control.api)
  const body = JSON.stringify({ tool: 'big', args: {} })
  const socket = connect(Number(port), hostname)
  const head = ['POST /v1/call/output HTTP/1.0', `authorization: Bearer ${TOKEN}`, 'te: trailers']
  head.push(`host: ${hostname}:${port}`, 'content-type: application/json')
  socket.write(`${[...head, `content-length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`)
  let answer = ''
  socket.on('data', (data) => {
    answer += String(data)
  })
  await new Promise((closed) => socket.on('close', closed).on('error', () => undefined))
  assert.doesNotMatch(answer, /p2p-error|is gone/)
})

test('who reads no trailers sees the connection break off, and no whole answer', async () => {
  await using made = await broken(TestError.BROKEN({ why: 'the peer is gone' }))
  const body = JSON.stringify({ tool: 'big', args: {} })
  const url = `${made.control.api}/v1/call/output`
  for (const headers of [{}, { te: 'gzip, deflate' }]) {
    await assert.rejects(ask(url, { method: 'POST', body, headers }), /aborted|ECONNRESET|hang up/)
  }
})

test('who does not read is let go, however much is left and whatever went wrong', async () => {
  const { tools } = fakeNode().node
  const failed = Promise.withResolvers<unknown>()
  const call: typeof tools.call = async (_tool, _args, { onlarge }) => {
    const parts = (async function* () {
      for (;;) yield Buffer.alloc(1_048_576)
    })()
    await onlarge?.({ ...HEAD, parts })?.catch((error: unknown) => {
      failed.resolve(error)
      throw error
    })
    return assert.fail('nobody reads to the end')
  }
  await using control = await startControl({ over: { tools: { ...tools, call } } })
  const request = send(`${control.api}/v1/call/output`, {
    ...{ method: 'POST', agent: false },
    headers: {
      ...{ authorization: `Bearer ${TOKEN}`, te: 'trailers', connection: 'te' },
      'content-type': 'application/json',
    },
  })
  const cut = Promise.withResolvers<unknown>()
  request.on('error', cut.resolve)
  request.on('response', (response) => {
    response.on('error', cut.resolve)
    // Reads on once the node has given up: what was on its way comes first.
    void failed.promise.then(() => setTimeout(() => response.resume(), 1_500))
    response.on('end', () => cut.resolve(response.trailers))
  })
  request.end(JSON.stringify({ tool: 'big', args: {}, timeoutMs: 100 }))
  const error = await failed.promise
  assert.ok(coded('BASE_DEADLINE')(error), String(error))
  const end = await cut.promise
  assert.ok(end instanceof Error && /aborted|ECONNRESET/.test(end.message), String(end))
})
