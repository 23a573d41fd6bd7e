import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { ask } from '../../test/support/control.ts'
import { coded } from '../../test/support/expect.ts'
import { seededRandom } from '../base/index.ts'
import { type ListenerOptions, openListener } from './listener.ts'

const options = (address: string, isDefault: boolean): ListenerOptions => ({
  address,
  isDefault,
  key: '[control] api_address',
  guard: () => undefined,
  random: seededRandom('listener'),
  handle: (_request, response) => void response.end('ok'),
})

/** A port that somebody else holds. */
async function busyPort() {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { port: address.port, [Symbol.dispose]: () => void server.close() }
}

test('openListener() moves on from a busy default port and says so', async () => {
  using busy = await busyPort()
  const listener = await openListener(options(`127.0.0.1:${busy.port}`, true))
  assert.equal(listener.movedFrom, busy.port)
  assert.notEqual(new URL(listener.url).port, String(busy.port))
  assert.equal((await ask(listener.url)).text, 'ok')
  await listener.close()
  await assert.rejects(ask(listener.url))
})

test('openListener() refuses a busy configured port by name', async () => {
  using busy = await busyPort()
  const address = `127.0.0.1:${busy.port}`
  await assert.rejects(openListener(options(address, false)), (error: Error) => {
    assert.match(error.message, new RegExp(`${address}.*\\[control\\] api_address`))
    return coded('CONTROL_PORT_BUSY')(error)
  })
})

test('openListener() refuses an address that is not of this host', async () => {
  const foreign = openListener(options('192.0.2.1:0', true))
  await assert.rejects(foreign, coded('CONTROL_ADDRESS_UNUSABLE'))
})

test('close() cuts connections that are still open', async () => {
  const silent = { ...options('127.0.0.1:0', true), handle: () => undefined }
  const listener = await openListener(silent)
  const pending = assert.rejects(ask(listener.url))
  await new Promise((resolve) => setImmediate(resolve))
  await listener.close()
  await pending
})

/**
 * Says `first` and then a piece of `rest` every 20 ms; resolves with all it was told at its end.
 */
async function dripping(url: string, first: string, rest = ''): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  const ended = Promise.withResolvers<string>()
  let told = ''
  socket.on('data', (chunk: Buffer) => {
    told += chunk.toString()
  })
  socket.on('error', () => undefined)
  socket.once('close', () => ended.resolve(told))
  socket.write(first)
  const timer = rest === '' ? undefined : setInterval(() => void socket.write(rest), 20)
  try {
    return await ended.promise
  } finally {
    clearInterval(timer)
  }
}

test('whoever sends a head or a body byte by byte is cut off, and others are served', async () => {
  const served: string[] = []
  const listener = await openListener({
    ...options('127.0.0.1:0', true),
    times: { headMs: 100, wholeMs: 300, checkMs: 50 },
    handle: (request, response) => {
      request.resume().once('end', () => {
        served.push(request.url ?? '')
        response.end('ok')
      })
    },
  })
  const line = `GET /head HTTP/1.1\r\nhost: ${new URL(listener.url).host}\r\n`
  const body = `POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n`
  const slow = Promise.all([
    ...Array.from({ length: 20 }, () => dripping(listener.url, line, 'x-a: 1\r\n')),
    dripping(listener.url, body, 'x'),
  ])
  assert.equal((await ask(listener.url)).text, 'ok')
  for (const told of await slow) assert.match(told, /^HTTP\/1\.1 408 /)
  assert.deepEqual(served, ['/'])
  await listener.close()
})

test('a head above 16 KiB, one of two lengths and one that is no HTTP reach nothing of ours', async () => {
  const seen: unknown[] = []
  const handle: ListenerOptions['handle'] = (request, response) => {
    seen.push(request.url)
    response.shouldKeepAlive = false
    response.end('seen')
  }
  const listener = await openListener({ ...options('127.0.0.1:0', true), handle })
  const start = 'POST / HTTP/1.1\r\nhost: x\r\n'
  for (const [text, status] of [
    [`${start}x-a: ${'x'.repeat(17_000)}\r\n\r\n`, 431],
    [`${start}content-length: 1\r\ncontent-length: 2\r\n\r\nxx`, 400],
    [`${start}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    [`${start}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`, 400],
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ] as const) {
    const told = await dripping(listener.url, text)
    assert.match(told, new RegExp(`^HTTP/1\\.1 ${status} `), JSON.stringify(text.slice(0, 80)))
  }
  assert.deepEqual(seen, [])
  await listener.close()
})
