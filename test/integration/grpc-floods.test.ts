/** What a hostile client of the gRPC port can do to everybody else: nothing that lasts. */

import assert from 'node:assert/strict'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { test } from 'node:test'
import { TOKEN } from '../support/control.ts'
import { GrpcClient, startGrpc } from '../support/grpc.ts'

async function session(address: string): Promise<ClientHttp2Session> {
  const made = connect(`http://${address}`)
  made.on('error', () => undefined)
  await new Promise<void>((resolve) => made.once('remoteSettings', () => resolve()))
  return made
}

function open(
  to: ClientHttp2Session,
  path: string,
  token: string | null = TOKEN,
): ClientHttp2Stream {
  const stream = to.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(token !== null && { authorization: `Bearer ${token}` }),
  })
  stream.on('error', () => undefined)
  return stream
}

const closed = (what: ClientHttp2Session | Socket) => {
  return new Promise<void>((resolve) => what.once('close', () => resolve()))
}

test('a flood of streams that are reset at once costs the flooder its connection', async () => {
  await using grpc = await startGrpc()
  const flooder = await session(grpc.address)
  const cut = closed(flooder)
  let opened = 0
  for (; opened < 20_000 && !flooder.destroyed && !flooder.closed; opened += 1) {
    open(flooder, '/p2p_foundation.Node/Status').close(constants.NGHTTP2_CANCEL)
    if (opened % 50 === 49) await new Promise((resolve) => setImmediate(resolve))
  }
  await cut
  assert.ok(opened < 20_000, `${opened} streams`)
  const other = new GrpcClient(grpc.address)
  await other.ask('Peers')
  other.close()
})

test('a connection has 100 streams and no more', async () => {
  await using grpc = await startGrpc()
  const greedy = await session(grpc.address)
  assert.equal(greedy.remoteSettings.maxConcurrentStreams, 100)
  for (let i = 0; i < 200; i += 1) open(greedy, '/p2p_foundation.Node/Status')
  await grpc.client.ask('Peers')
  greedy.destroy()
})

test('256 calls are in work at once; the next is told so, and all go on when one ends', async () => {
  const never = () => new Promise<never>(() => undefined)
  await using grpc = await startGrpc({ over: { ping: never } })
  const sessions = await Promise.all([1, 2, 3].map(() => session(grpc.address)))
  for (const each of sessions) {
    for (let i = 0; i < 90; i += 1) open(each, '/p2p_foundation.Node/Ping').write(Buffer.alloc(1))
  }
  let failure = await grpc.client.fails('p2p_foundation.Node/Peers').catch(() => undefined)
  for (let i = 0; i < 200 && failure === undefined; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    failure = await grpc.client.fails('p2p_foundation.Node/Peers').catch(() => undefined)
  }
  assert.equal(failure?.code, 'CONTROL_CALLS_BUSY')
  for (const each of sessions) {
    const gone = closed(each)
    each.destroy()
    await gone
  }
  for (let i = 0; i < 200; i += 1) {
    const again = await grpc.client.ask('Peers').catch(() => undefined)
    if (again !== undefined) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.fail('calls of closed connections still count')
})

test('64 connections are served, the next is closed, and one that ends makes room', async () => {
  await using grpc = await startGrpc()
  const [host = '', port = ''] = grpc.address.split(':')
  const sockets = Array.from({ length: 64 }, () =>
    connectTcp({ host, port: Number(port) }).resume(),
  )
  for (const socket of sockets) socket.on('error', () => undefined)
  await Promise.all(sockets.map((each) => new Promise((resolve) => each.once('data', resolve))))
  const late = connectTcp({ host, port: Number(port) }).resume()
  late.on('error', () => undefined)
  await closed(late)
  const [first] = sockets
  assert.ok(first)
  const gone = closed(first)
  first.destroy()
  await gone
  let answer: unknown
  for (let i = 0; i < 200 && answer === undefined; i += 1) {
    const client = new GrpcClient(grpc.address)
    answer = await client.ask('Peers').catch(() => undefined)
    client.close()
  }
  assert.ok(answer)
  for (const socket of sockets) socket.destroy()
})

test('bytes that are no HTTP/2 end their connection alone', async () => {
  await using grpc = await startGrpc()
  const [host = '', port = ''] = grpc.address.split(':')
  for (const text of [
    'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
    '\0'.repeat(100),
    'PRI * HTTP/2.0\r\n',
  ]) {
    const socket = connectTcp({ host, port: Number(port) }).resume()
    socket.on('error', () => undefined)
    const cut = closed(socket)
    socket.end(text)
    await cut
  }
  await grpc.client.ask('Peers')
})

test('a message that says it is 4 GiB, or unpacks to more than 4 MiB, is refused', async () => {
  await using grpc = await startGrpc()
  const { gzipSync } = await import('node:zlib')
  const bomb = gzipSync(Buffer.alloc(50_000_000))
  const head = Buffer.alloc(5)
  head[0] = 1
  head.writeUInt32BE(bomb.length, 1)
  for (const [bytes, encoding] of [
    [Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), 'identity'],
    [Buffer.concat([head, bomb]), 'gzip'],
  ] as const) {
    const made = await session(grpc.address)
    const stream = made.request({
      ':method': 'POST',
      ':path': '/p2p_foundation.Node/Ping',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-encoding': encoding,
      authorization: `Bearer ${TOKEN}`,
    })
    const status = new Promise((resolve) => {
      const look = (headers: Record<string, unknown>) => {
        if (headers['grpc-status'] !== undefined) resolve(headers['grpc-status'])
      }
      stream.on('response', look)
      stream.on('trailers', look)
    })
    stream.on('error', () => undefined)
    stream.resume().end(bytes)
    assert.equal(String(await status), '8')
    made.destroy()
  }
})
