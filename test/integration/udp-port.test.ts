/** The real UDP port, over sockets on loopback. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openUdp, type UdpEndpoint, type UdpPort } from '../../src/net/index.ts'
import { openHubSocket, sendFrom } from '../../src/net/udp-hub-socket.ts'
import { coded } from '../support/expect.ts'

const opened = async (hosts: readonly string[], port = 0, movable = true) => {
  const open = await openUdp({ hosts, port, movable })
  return Object.assign(open, { [Symbol.dispose]: () => open.close() })
}

function next(port: UdpPort): Promise<{ bytes: Uint8Array; from: UdpEndpoint }> {
  return new Promise((resolve) => port.onPacket((bytes, from) => resolve({ bytes, from })))
}

const endpointOf = ({ addresses }: UdpPort) => addresses[0] ?? assert.fail()

test('packets come as they were sent, and say from where', async () => {
  using a = await opened(['127.0.0.1'])
  using b = await opened(['127.0.0.1'])
  const comes = next(b)
  a.send(Uint8Array.of(1, 2, 3), endpointOf(b))
  const { bytes, from } = await comes
  assert.deepEqual([bytes, from], [Uint8Array.of(1, 2, 3), endpointOf(a)])
})

test('a busy port moves if it may, and is an error if not', async () => {
  using a = await opened(['127.0.0.1'])
  const { port } = endpointOf(a)
  await assert.rejects(opened(['127.0.0.1'], port, false), coded('NET_UDP_FAILED'))
  using b = await opened(['127.0.0.1'], port)
  assert.notEqual(endpointOf(b).port, port)
})

test('sockets of several addresses share a port', async () => {
  using a = await opened(['127.0.0.1', '127.0.0.2', '127.0.0.1'])
  assert.deepEqual(
    a.addresses.map(({ host }) => host),
    ['127.0.0.1', '127.0.0.2'],
  )
  assert.equal(new Set(a.addresses.map(({ port }) => port)).size, 1)
})

test('an address that this machine lacks is left out, unless it is the only one', async () => {
  using a = await opened(['127.0.0.1', '192.0.2.1'])
  assert.equal(a.addresses.length, 1)
  await assert.rejects(opened(['192.0.2.1']), coded('NET_UDP_FAILED'))
})

test('what cannot be sent is an error, and a closed port is silent', async () => {
  using a = await opened(['127.0.0.1'])
  assert.throws(() => a.send(new Uint8Array(1), { host: '::1', port: 9 }), coded('NET_UDP_UNSENT'))
  // Nobody is there: what ICMP says of it breaks nothing.
  a.send(new Uint8Array(1), { host: '127.0.0.1', port: 1 })
  a.close()
  a.close()
  assert.throws(() => a.send(new Uint8Array(1), endpointOf(a)), coded('NET_UDP_UNSENT'))
})

test('nothing is sent to port 0, and what comes from there is dropped', async () => {
  using a = await opened(['127.0.0.1'])
  assert.throws(() => a.send(Uint8Array.of(1), { host: '127.0.0.1', port: 0 }), /port 0/)
  const arrived: Uint8Array[] = []
  const socket = await openHubSocket({ host: '127.0.0.1', port: 0 }, (bytes) => arrived.push(bytes))
  // As the system tells of a packet that was sent from a raw socket.
  socket.emit('message', Buffer.of(1), { address: '127.0.0.1', port: 0 })
  socket.emit('message', Buffer.of(2), { address: '127.0.0.1', port: 9 })
  assert.equal(sendFrom(socket, Buffer.of(3), { host: '127.0.0.1', port: 0 }), false)
  socket.close()
  assert.deepEqual(arrived, [Buffer.of(2)])
})
