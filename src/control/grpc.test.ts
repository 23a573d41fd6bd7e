import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { ask, startControl } from '../../test/support/control.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { failureOf, GrpcClient, jsonIn, startGrpc } from '../../test/support/grpc.ts'
import { OPERATIONS_GIVEN } from '../../test/support/grpc-given.ts'
import { fakeNode, PEER } from '../../test/support/served-node.ts'
import { type Operation, operations } from './api.ts'
import { NOT_OVER_GRPC, STREAMS } from './grpc-operations.ts'

/** Told elsewhere. */
const LEFT_OUT = ['metrics', 'status', ...NOT_OVER_GRPC]

/** Any JSON as a client writes it into a `Value` or `Struct`. */
function wrapped(value: unknown): object {
  if (value === null) return { nullValue: 0 }
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'number') return { numberValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (Array.isArray(value)) return { listValue: { values: value.map(wrapped) } }
  return { structValue: structOf(value as object) }
}

function structOf(value: object): object {
  const entries = Object.entries(value).map(([name, each]) => [name, wrapped(each)])
  return { fields: Object.fromEntries(entries) as object }
}

const ANY: readonly string[] = ['source', 'hedge', 'data']
const STRUCTS: readonly string[] = ['args', 'changes']

function sentOverGrpc(given: Readonly<Record<string, unknown>>) {
  const entries = Object.entries(given).map(([name, value]) => {
    if (ANY.includes(name)) return [name, wrapped(value)]
    return [name, STRUCTS.includes(name) ? structOf(value as object) : value]
  })
  return Object.fromEntries(entries) as Record<string, unknown>
}

async function askHttp(api: string, name: string, operation: Operation) {
  const { method, path, query, params, body } = operation
  const given = { ...OPERATIONS_GIVEN[name] }
  const url = new URL(
    path.replace(/:(\w+)/g, (_, part: string) => encodeURIComponent(String(given[part]))),
    api,
  )
  const part = (shape: Operation['query']) => {
    return Object.entries(given).filter(([key]) => key in (shape?.shape ?? {}))
  }
  if (params !== undefined) for (const [key] of part(params)) delete given[key]
  for (const [key, value] of part(query)) url.searchParams.set(key, String(value))
  const sent = body === undefined ? {} : { body: JSON.stringify(Object.fromEntries(part(body))) }
  return await ask(url.href, { method, ...sent })
}

test('every operation answers over gRPC what it answers over HTTP', async () => {
  await using http = await startControl()
  await using grpc = await startGrpc()
  for (const [name, operation] of Object.entries(operations) as [string, Operation][]) {
    if (LEFT_OUT.includes(name) || STREAMS[name] !== undefined) continue
    const { json, status: code, text } = await askHttp(http.api, name, operation)
    assert.equal(code, 200, `${name}: ${text}`)
    const method = `${name.charAt(0).toUpperCase()}${name.slice(1)}`
    const sent = sentOverGrpc(OPERATIONS_GIVEN[name] ?? {})
    assert.deepEqual(await grpc.client.ask(method, sent), json, name)
  }
  const plain = ({ name, args }: { name: string; args: readonly unknown[] }) => {
    return JSON.stringify([name, args])
  }
  assert.deepEqual(grpc.asked.map(plain), http.asked.map(plain))
})

test('the metrics and the status are told as well', async () => {
  await using grpc = await startGrpc()
  assert.match(String(await grpc.client.ask('Metrics')), /^p2p_test 3$/m)
  const { peerId } = (await grpc.client.ask('Status')) as { peerId: string }
  assert.equal(peerId, PEER)
})

test('a call without the token, or with another, is refused before it is read', async () => {
  await using grpc = await startGrpc()
  for (const [token, code] of [
    [null, 'CONTROL_TOKEN_MISSING'],
    ['y'.repeat(43), 'CONTROL_TOKEN_INVALID'],
  ] as const) {
    const client = new GrpcClient(grpc.address, { token })
    for (const path of ['p2p_foundation.Node/Call', 'p2p.P2PNode/ListAgents', 'p2p.P2PNode/Stop']) {
      const failure = await client.fails(path)
      assert.equal(failure.status, status.UNAUTHENTICATED)
      assert.equal(failure.code, code)
    }
    const told = client.stream('p2p.P2PNode/Connect')[Symbol.asyncIterator]()
    await assert.rejects(told.next(), (error) => failureOf(error).code === code)
    client.close()
  }
  assert.deepEqual(grpc.asked, [])
  assert.equal(grpc.stopped(), 0)
})

test('what is wrong with a request is said by its field', async () => {
  await using grpc = await startGrpc()
  const fails = (name: string, sent: object) =>
    grpc.client.fails(`p2p_foundation.Node/${name}`, { ...sent })
  const missing = await fails('Connect', {})
  assert.equal(missing.status, status.INVALID_ARGUMENT)
  assert.match(missing.details, /target/)
  const late = await fails('Connect', { target: PEER, timeoutMs: 3_600_001 })
  assert.match(late.details, /timeoutMs/)
  const strange = await fails('Expose', { name: 'calc', source: wrapped({ kind: 'ftp' }) })
  assert.match(strange.details, /source/)
  const gone = await fails('Disconnect', {
    peer: '12D3KooWQYV9dGMFoRzNStwpXztXaBUjtPqi6aU76ZgUriHhKust',
  })
  assert.deepEqual([gone.status, gone.code], [status.NOT_FOUND, 'CONTROL_PEER_NOT_FOUND'])
})

test('Events tells what /v1/events does, until its reader leaves', async () => {
  await using grpc = await startGrpc()
  const stream = grpc.client.stream('p2p_foundation.Node/Events')
  const names: unknown[] = []
  for await (const event of stream) {
    names.push((jsonIn(event) as { event: string }).event)
    if (names.length === 2) break
  }
  stream.cancel()
  assert.deepEqual(names, ['ready', 'health-changed'])
})

test('CallOutput sends the length and the hash, then just those bytes', async () => {
  const text = 'x'.repeat(300_000)
  const attempts = [{ peer: PEER, path: 'tcp', ms: 1, code: 'ok' }]
  const call = async () => ({ content: [{ type: 'text', text }], peer: PEER, attempts })
  await using grpc = await startGrpc({ over: { tools: { find: async () => [], call } } })
  const parts = await Array.fromAsync(
    grpc.client.stream('p2p_foundation.Node/CallOutput', { tool: 'add' }) as AsyncIterable<{
      head?: { bytes: number; sha256: string; peer: string }
      data?: Buffer
    }>,
  )
  const [first, ...rest] = parts
  const bytes = Buffer.concat(rest.map(({ data }) => data ?? Buffer.alloc(0)))
  assert.equal(first?.head?.peer, PEER)
  assert.equal(first.head.bytes, bytes.length)
  assert.equal(first.head.sha256, createHash('sha256').update(bytes).digest('hex'))
  assert.deepEqual(JSON.parse(String(bytes)), { content: [{ type: 'text', text }] })
})

test('CallOutput ends with the deadline of its call where nobody reads', async () => {
  const { tools } = fakeNode().node
  const call: typeof tools.call = async () => {
    const content = [{ type: 'text', text: 'x'.repeat(16 * 1_048_576) }]
    return { content, peer: PEER, attempts: [] }
  }
  await using grpc = await startGrpc({ over: { tools: { ...tools, call } } })
  const asked = { tool: 'add', timeoutMs: 100 }
  const parts = grpc.client.stream('p2p_foundation.Node/CallOutput', asked)[Symbol.asyncIterator]()
  await parts.next()
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  const rest = async () => {
    while ((await parts.next()).done !== true);
  }
  await assert.rejects(rest(), (error) => {
    const { code, status: said } = failureOf(error)
    assert.deepEqual([code, said], ['BASE_DEADLINE', status.DEADLINE_EXCEEDED])
    return true
  })
})

test('a result above one message is refused, and not by breaking the connection', async () => {
  const text = 'x'.repeat(5_000_000)
  const call = async () => ({ content: [{ type: 'text', text }], peer: PEER, attempts: [] })
  await using grpc = await startGrpc({ over: { tools: { find: async () => [], call } } })
  const failure = await grpc.client.fails('p2p_foundation.Node/Call', { tool: 'add' })
  assert.equal(failure.status, status.RESOURCE_EXHAUSTED)
  const large = { tool: 'add', invitation: 'x'.repeat(5_000_000) }
  const sent = await grpc.client.fails('p2p_foundation.Node/Call', large)
  assert.equal(sent.status, status.RESOURCE_EXHAUSTED)
  await grpc.client.ask('Peers')
})

test('a message deeper than anybody needs is an error of its caller alone', async () => {
  await using grpc = await startGrpc()
  let deep: object = { boolValue: true }
  for (let i = 0; i < 90; i += 1) deep = { listValue: { values: [deep] } }
  const sent = { tool: 'add', args: { fields: { a: deep } } }
  const failure = await grpc.client.fails('p2p_foundation.Node/Call', sent)
  assert.notEqual(failure.status, status.OK)
  await grpc.client.ask('Peers')
})

test('ExposeAttached offers a service for as long as its caller reads', async () => {
  await using grpc = await startGrpc()
  const source = wrapped({ kind: 'stdio', command: 'calc', args: [], cwd: '/', env: {} })
  const stream = grpc.client.stream('p2p_foundation.Node/ExposeAttached', { name: 'calc', source })
  for await (const event of stream) {
    assert.equal((jsonIn(event) as { event: string }).event, 'status')
    assert.ok(grpc.services.has('calc'))
    break
  }
  stream.cancel()
  while (grpc.services.has('calc')) await new Promise((resolve) => setImmediate(resolve))
})

test('a caller that leaves ends the work that it asked for', async () => {
  const { promise: ended, resolve } = Promise.withResolvers<unknown>()
  const connectTo = (_: string, { signal }: { readonly signal?: AbortSignal }) => {
    return new Promise<never>((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        resolve(signal.reason)
        reject(signal.reason as Error)
      })
    })
  }
  await using grpc = await startGrpc({ over: { connect: connectTo } })
  const sent = { target: PEER }
  const failure = await grpc.client.fails('p2p_foundation.Node/Connect', sent, { deadlineMs: 200 })
  assert.equal(failure.status, status.DEADLINE_EXCEEDED)
  assert.equal(((await ended) as { code: string }).code, 'CONTROL_CALLER_GONE')
})

test('a busy port, files that are none and clear text beyond loopback are refused by code', async () => {
  await using grpc = await startGrpc()
  const refused = (config: object, code: string) => {
    return assert.rejects(startGrpc({ config }), coded(code))
  }
  await refused({ address: grpc.address }, 'CONTROL_PORT_BUSY')
  await refused({ address: '192.0.2.1:0' }, 'CONTROL_GRPC_TLS_REQUIRED')
  await refused({ address: '0.0.0.0:0' }, 'CONTROL_GRPC_TLS_REQUIRED')
  await refused({ address: '[::]:0', keyFile: '/x' }, 'CONTROL_GRPC_FILES_UNUSABLE')
  const files = { certificateFile: '/nowhere/x.pem', keyFile: '/nowhere/y.pem' }
  await refused({ address: '127.0.0.1:0', ...files }, 'CONTROL_GRPC_FILES_UNUSABLE')
  const own = import.meta.filename
  await refused({ certificateFile: own, keyFile: own }, 'CONTROL_GRPC_FILES_UNUSABLE')
})

test('a connection that says nothing is cut after ten seconds', async () => {
  const clock = new FakeClock()
  await using grpc = await startGrpc({ clock })
  const [host = '', port = ''] = grpc.address.split(':')
  const socket = connect({ host, port: Number(port) })
  await new Promise((resolve) => socket.once('connect', resolve))
  const closed = new Promise((resolve) => socket.resume().once('close', resolve))
  // It answers this only once it has taken the connection above.
  await grpc.client.ask('Peers')
  await clock.advance(10_000)
  await closed
  await grpc.client.ask('Peers')
})
