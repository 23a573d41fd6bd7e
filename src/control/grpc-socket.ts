/**
 * The port of the gRPC server. The library would listen by itself, but takes any number of
 * connections and says of a busy port only that there is no address; so connections are taken here
 * and handed to it.
 */

import { createServer, type Server, type Socket } from 'node:net'
import { type Clock, every } from '../base/index.ts'
import { ControlError } from './errors.ts'

const KEY = '[control] grpc_address'
const CONNECTIONS_MAX = 64
/** How long a connection may be silent before its first byte, and the pace of looking. */
const SILENT_MS_MAX = 10_000
const LOOK_MS = 5_000

export interface GrpcSocketOptions {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  readonly take: (socket: Socket) => void
}

export interface GrpcSocket {
  readonly port: number
  /** Resolves when the port is free again; open connections are cut. */
  close(): Promise<void>
}

export async function openGrpcSocket(options: GrpcSocketOptions): Promise<GrpcSocket> {
  const { clock, take } = options
  const silent = new Map<Socket, number>()
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    silent.set(socket, clock.now())
    socket.once('close', () => {
      open.delete(socket)
      silent.delete(socket)
    })
    socket.on('error', () => undefined)
    take(socket)
  })
  server.maxConnections = CONNECTIONS_MAX
  const port = await listen(server, options)
  const looking = new AbortController()
  const look = () => {
    for (const [socket, sinceMs] of silent) {
      if (socket.bytesRead > 0) silent.delete(socket)
      else if (clock.now() - sinceMs >= SILENT_MS_MAX) socket.destroy()
    }
  }
  void every(clock, LOOK_MS, look, looking.signal)
  return {
    port,
    async close() {
      looking.abort()
      const { promise, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      for (const socket of open) socket.destroy()
      await promise
    },
  }
}

async function listen(server: Server, { host, port }: GrpcSocketOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // It stays: an error while accepting, as when files run out, must not end the process.
  server.on('error', reject)
  server.listen({ host, port, exclusive: true }, resolve)
  try {
    await promise
  } catch (error) {
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (reason === 'EADDRINUSE') throw ControlError.PORT_BUSY({ key: KEY, address }, error)
    throw ControlError.ADDRESS_UNUSABLE({ key: KEY, address, reason }, error)
  }
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : port
}
