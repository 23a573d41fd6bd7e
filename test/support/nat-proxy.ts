/**
 * A NAT of a few lines: connections to it go on to `port` of loopback from another address, so that
 * whoever is dialled through it sees somebody that the dialler is not.
 */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface NatProxy extends AsyncDisposable {
  readonly port: number
}

/** Listens on 127.0.0.1; `as` is the address on its other side, such as 127.0.0.9. */
export async function natProxy(port: number, as: string): Promise<NatProxy> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  }
  const server = createServer((near) => {
    const far = connect({ port, host: '127.0.0.1', localAddress: as })
    for (const socket of [near, far]) keep(socket)
    near.pipe(far).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
