import assert from 'node:assert/strict'
import { request as send } from 'node:http'
import { test } from 'node:test'
import { ask, startControl, TOKEN } from '../../test/support/control.ts'
import { coded } from '../../test/support/expect.ts'
import { fakeNode, PEER } from '../../test/support/served-node.ts'
import { CodedError, defineErrors, hasCode } from '../base/index.ts'
import { ControlClient } from './client.ts'

const PART = Buffer.from('{"content":[')
const HEAD = { peer: PEER, bytes: 1_000, sha256: 'ab'.repeat(32) }

const TestError = defineErrors('TEST', {
  BROKEN: { says: ({ why }: { why: string; tried?: string }) => `Cannot go on: ${why}` },
})

/** A node whose tool sends a part of its result, and then fails. */
async function broken(error: unknown) {
  const { tools } = fakeNode().node
  const call: typeof tools.call = async (_tool, _args, { onlarge }) => {
    const parts = (async function* () {
      yield PART
      throw error
    })()
    await onlarge?.({ ...HEAD, parts })
    return assert.fail('the parts end with an error')
  }
  const control = await startControl({ over: { tools: { ...tools, call } } })
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
  await using own = await broken(new TypeError('a secret'))
  const { failure: internal } = await taken(own.client)
  assert.ok(coded('CONTROL_INTERNAL')(internal))
  assert.doesNotMatch(String(internal), /secret/)
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
