/**
 * The ways to a router over real sockets, on loopback: UDP that anybody may answer, SSDP, HTTP. The
 * router is 127.0.0.1; whoever is not it is 127.0.0.2.
 */

import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { test } from 'node:test'
import { hasCode, secureRandom, systemClock, utf8 } from '../../src/base/index.ts'
import { PcpClient } from '../../src/net/pcp-client.ts'
import { openUdpExchange } from '../../src/net/portmap-exchange.ts'
import type { PortWanted, Route } from '../../src/net/portmap-lease.ts'
import { askHttp } from '../../src/net/upnp-http.ts'
import { findGateway, GATEWAY_TYPES } from '../../src/net/upnp-ssdp.ts'
import { pcpAnswerTo } from '../support/fake-router.ts'

const ROUTE: Route = { family: 4, router: '127.0.0.1', local: '127.0.0.1' }
const WANTED: PortWanted = {
  protocol: 'tcp',
  internalPort: 9_000,
  externalPort: 9_000,
  externalHost: undefined,
  lifetimeSeconds: 600,
}
const { signal } = new AbortController()

async function udpAt(host: string): Promise<{ socket: Socket; port: number } & AsyncDisposable> {
  const socket = createSocket('udp4')
  socket.bind(0, host)
  await once(socket, 'listening')
  return {
    socket,
    port: socket.address().port,
    [Symbol.asyncDispose]: async () => void socket.close(),
  }
}

async function pcpTo(port: number) {
  const exchange = await openUdpExchange(ROUTE, port, systemClock)
  const client = new PcpClient({ clock: systemClock, random: secureRandom }, ROUTE, exchange)
  return { client, [Symbol.dispose]: () => client.close() }
}

test('a question that is lost is sent again, and answers of others are not heard', async () => {
  await using router = await udpAt('127.0.0.1')
  await using liar = await udpAt('127.0.0.2')
  await using neighbour = await udpAt('127.0.0.1')
  let asked = 0
  router.socket.on('message', (request, from) => {
    asked += 1
    const lie = pcpAnswerTo(request, { externalHost: '6.6.6.6', externalPort: 666 })
    for (const other of [liar, neighbour]) other.socket.send(lie, from.port, from.address)
    if (asked < 2) return
    for (const garbage of [new Uint8Array(), new Uint8Array(1_400), request]) {
      router.socket.send(garbage, from.port, from.address)
    }
    router.socket.send(pcpAnswerTo(request), from.port, from.address)
  })
  using pcp = await pcpTo(router.port)
  const { externalHost, externalPort } = await pcp.client.map(WANTED, signal)
  assert.deepEqual([externalHost, externalPort], ['5.9.77.100', 9_000])
  assert.equal(asked, 2)
})

test('a router where nobody listens is silent, and does not take long', async () => {
  const gone = await udpAt('127.0.0.1')
  await gone[Symbol.asyncDispose]()
  using pcp = await pcpTo(gone.port)
  const began = performance.now()
  const silent = (error: unknown) => hasCode(error, 'NET_ROUTER_UNUSABLE')
  await assert.rejects(pcp.client.map(WANTED, signal), silent)
  assert.ok(performance.now() - began < 5_000)
})

test('waiting for a router ends with its signal', async () => {
  await using router = await udpAt('127.0.0.1')
  using pcp = await pcpTo(router.port)
  const life = new AbortController()
  const asking = pcp.client.map(WANTED, life.signal)
  life.abort(new Error('enough'))
  await assert.rejects(asking, /enough/)
})

test('a gateway is found by its own answer, not by that of a neighbour', async () => {
  await using router = await udpAt('127.0.0.1')
  await using liar = await udpAt('127.0.0.2')
  const answer = (where: string) =>
    utf8(`HTTP/1.1 200 OK\r\nST: ${GATEWAY_TYPES[0]}\r\nLOCATION: ${where}\r\n\r\n`)
  router.socket.on('message', (_, from) => {
    liar.socket.send(answer('http://127.0.0.1:6/lie'), from.port, from.address)
    router.socket.send(answer('http://127.0.0.2:6/lie'), from.port, from.address)
    router.socket.send(answer('http://127.0.0.1:5000/d.xml'), from.port, from.address)
  })
  const found = await findGateway(ROUTE, systemClock, signal, router.port)
  assert.equal(found?.href, 'http://127.0.0.1:5000/d.xml')
})

interface Web extends AsyncDisposable {
  readonly url: URL
}

async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<Web> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: new URL(`http://127.0.0.1:${port}/d.xml?x=1`),
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}

test('askHttp() asks as it should and reads the answer', async () => {
  let asked = ''
  await using web = await listening(
    createServer((request, response) => {
      asked = `${request.method} ${request.url} ${String(request.headers.soapaction)}`
      response.writeHead(500, { 'Content-Type': 'text/xml' }).end('<a/>')
    }),
  )
  const request = { url: web.url, headers: { SOAPAction: '"x#y"' }, body: '<b/>' }
  assert.deepEqual(await askHttp(ROUTE, request, signal), { status: 500, body: '<a/>' })
  assert.equal(asked, 'POST /d.xml?x=1 "x#y"')
})

test('askHttp() follows no redirect', async () => {
  await using web = await listening(
    createServer((_, response) => response.writeHead(302, { Location: 'http://127.0.0.2/' }).end()),
  )
  const { status } = await askHttp(ROUTE, { url: web.url, headers: {} }, signal)
  assert.equal(status, 302)
})

test('askHttp() ends with too much, with headers without end, and with a drip', async () => {
  const bodies = {
    'too much': {
      send: `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(200_000)}`,
      fails: /more than 131072/,
    },
    headers: { send: `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`, fails: /[Hh]eader/ },
    'no HTTP': { send: 'SSH-2.0-router\r\n', fails: /[Pp]arse/ },
    nothing: { send: '', fails: /enough/ },
    drip: { send: 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n', fails: /enough|abort/ },
  }
  for (const [name, { send, fails }] of Object.entries(bodies)) {
    await using web = await listening(
      createTcpServer((socket) => {
        socket.on('error', () => undefined).resume()
        socket.write(send)
        const drip = setInterval(() => send !== '' && socket.write('x'), 20)
        socket.on('close', () => clearInterval(drip))
      }),
    )
    const life = new AbortController()
    const timer = setTimeout(() => life.abort(new Error('enough')), 500)
    const asking = askHttp(ROUTE, { url: web.url, headers: {} }, life.signal)
    await assert.rejects(asking, (error: Error) => {
      const said = `${error.message} ${error.cause instanceof Error ? error.cause.message : ''}`
      assert.match(said, fails, name)
      return true
    })
    clearTimeout(timer)
  }
})
