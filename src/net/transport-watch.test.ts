import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import type { Connection, Transport } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { ByteMeter } from './byte-meter.ts'
import type { ResourceHooks } from './resource-hooks.ts'
import { type TransportFactory, watchedTransport } from './transport-watch.ts'

const HOST = '127.0.0.1'

/** Dials as libp2p's TCP transport does: the socket is made with the signal of the dial. */
async function setup(stack: AsyncDisposableStack) {
  const server = createServer().listen(0, HOST)
  const accepted: Socket[] = []
  server.on('connection', (socket) => accepted.push(socket.on('error', () => undefined)))
  stack.defer(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  const sockets: Socket[] = []
  const plain = {
    dial: async (_to: unknown, { signal }: { signal: AbortSignal }) => {
      const { port } = server.address() as { port: number }
      const socket = connect({ host: HOST, port, signal }).on('error', () => undefined)
      stack.defer(() => void socket.destroy())
      sockets.push(socket)
      await once(socket, 'connect')
      return { abort: () => socket.destroy() } as unknown as Connection
    },
    createListener: () => assert.fail(),
  }
  const make = (() => plain) as unknown as TransportFactory
  const [meter, hooks]: unknown[] = [{}, {}]
  const watch = watchedTransport(make, meter as ByteMeter, hooks as ResourceHooks)
  const transport = watch({} as Parameters<TransportFactory>[0])
  const dial = (signal: AbortSignal) => {
    const options = { signal, upgrader: {} } as unknown as Parameters<Transport['dial']>[1]
    return transport.dial(multiaddr(`/ip4/${HOST}/tcp/1`), options)
  }
  return { dial, sockets }
}

test('what calls a dial off afterwards leaves the connection that came of it alone', async () => {
  await using stack = new AsyncDisposableStack()
  const { dial, sockets } = await setup(stack)
  const over = new AbortController()
  await dial(over.signal)
  over.abort(new TypeError('another way was found'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(sockets[0]?.destroyed, false)
})

test('a dial that is called off in time leaves nothing open', async () => {
  await using stack = new AsyncDisposableStack()
  const { dial, sockets } = await setup(stack)
  const over = new AbortController()
  const dialling = dial(over.signal)
  over.abort(new TypeError('another way was found'))
  await assert.rejects(dialling, /another way was found/)
  const [socket = assert.fail()] = sockets
  if (!socket.closed) await once(socket, 'close')
  assert.equal(socket.destroyed, true)
})
