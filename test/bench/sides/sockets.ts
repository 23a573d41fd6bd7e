/**
 * Node's own sockets, bare and under TLS 1.3. Neither has streams inside a connection, so each
 * pipe is a connection.
 */

import { once } from 'node:events'
import { type AddressInfo, createServer, connect as netConnect, type Socket } from 'node:net'
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import { selfSigned } from './certificate.ts'
import { duplexPipe } from './duplex.ts'
import type { Stack } from './stack.ts'

type Server = Pick<ReturnType<typeof createServer>, 'listen' | 'address'> & NodeJS.EventEmitter

/** TCP alone: what a path carries. */
export function plainSockets(): Stack {
  return sockets(
    (serve) => createServer({ noDelay: true }, serve),
    async (host, port) => {
      const socket = netConnect({ host, port, noDelay: true })
      await once(socket, 'connect')
      return socket
    },
  )
}

/** TLS 1.3 over TCP. Whom it talks to is not checked: that costs nothing on the wire. */
export function tlsSockets(): Stack {
  return sockets(
    (serve) => createTlsServer({ ...selfSigned(), minVersion: 'TLSv1.3', noDelay: true }, serve),
    async (host, port) => {
      const socket = tlsConnect({ host, port, rejectUnauthorized: false })
      socket.setNoDelay(true)
      await once(socket, 'secureConnect')
      return socket
    },
  )
}

function sockets(
  createOne: (serve: (socket: Socket) => void) => Server,
  connect: (host: string, port: number) => Promise<Socket>,
): Stack {
  return {
    async listen({ host }, serve) {
      const server = createOne((socket) => serve(duplexPipe(socket)))
      server.listen(0, host)
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      return { tcp: `${host}:${port}` }
    },

    async ready() {},

    async dial(address) {
      const [host = '', port = ''] = address.split(':')
      const open = () => connect(host, Number(port))
      const opened = [await open()]
      let taken = 0
      return {
        async open() {
          const socket = opened[taken] ?? (await open())
          opened[taken] = socket
          taken += 1
          return duplexPipe(socket)
        },
        async close() {
          for (const socket of opened) socket.destroy()
        },
      }
    },
  }
}
