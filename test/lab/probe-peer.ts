/**
 * A machine's sockets, asked by JSON lines: what a NAT does is told by datagrams, not by its rules.
 *
 *   {"send": {"from": 4000, "host": "5.9.77.10", "port": 1, "bytes": 20}}   one UDP datagram
 *   {"bind": 4000}                       receives; each datagram is told as {"got": {…}}
 *   {"listen": 80}                       accepts TCP; each connection is told as {"accepted": {…}}
 *   {"connect": {"host": "…", "port": 80, "bytes": 100000, "timeoutMs": 1000}}   and how it ended
 *
 * Each is answered by {"done": …}. Ends with its standard input.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

interface Asked {
  readonly send?: { from: number; host: string; port: number; bytes: number }
  readonly bind?: number
  readonly listen?: number
  readonly connect?: { host: string; port: number; bytes: number; timeoutMs: number }
}

const sockets = new Map<string, Promise<Socket>>()
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

for await (const line of createInterface({ input: process.stdin })) {
  say({ done: await obey(JSON.parse(line) as Asked) })
}
process.exit(0)

async function obey({ send, bind, listen, connect: to }: Asked): Promise<unknown> {
  if (send !== undefined) {
    const socket = await bound(send.from, send.host.includes(':') ? 'udp6' : 'udp4')
    return new Promise((resolve) => {
      socket.send(Buffer.alloc(send.bytes), send.port, send.host, (error) => {
        resolve(error === null ? 'sent' : error.message)
      })
    })
  }
  if (bind !== undefined) await Promise.all([bound(bind, 'udp4'), bound(bind, 'udp6')])
  if (listen !== undefined) await listening(listen)
  return to === undefined ? 'ready' : connected(to)
}

function bound(port: number, type: 'udp4' | 'udp6'): Promise<Socket> {
  const key = `${type} ${port}`
  const known = sockets.get(key) ?? open(port, type)
  sockets.set(key, known)
  return known
}

async function open(port: number, type: 'udp4' | 'udp6'): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' })
  socket.on('message', (bytes, from) => {
    say({ got: { at: port, host: from.address, port: from.port, bytes: bytes.length } })
  })
  // What comes back as an ICMP error is no concern of a probe.
  socket.on('error', () => undefined)
  socket.bind(port)
  await once(socket, 'listening')
  return socket
}

async function listening(port: number): Promise<void> {
  const server = createServer((socket) => {
    say({ accepted: { host: socket.remoteAddress, port: socket.remotePort } })
    socket.on('error', () => undefined)
    socket.resume().on('end', () => socket.end('bye'))
  })
  server.listen(port, '::')
  await once(server, 'listening')
}

/** Sends so many bytes and waits for the answer of whoever took them all. */
function connected({ host, port, bytes, timeoutMs }: NonNullable<Asked['connect']>) {
  return new Promise<string>((resolve) => {
    const socket = connect(port, host, () => socket.end(Buffer.alloc(bytes)))
    const timer = setTimeout(() => {
      socket.destroy()
      resolve('timed out')
    }, timeoutMs)
    const end = (how: string) => {
      clearTimeout(timer)
      resolve(how)
    }
    socket.on('error', (error) => end(error.message))
    socket.on('data', () => end('answered'))
  })
}
