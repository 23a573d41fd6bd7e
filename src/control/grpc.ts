/**
 * The node over gRPC: the service of OpenPond's node (`p2p.proto`), the operations of `api.ts`
 * (`node.proto`), reflection and health. Off unless asked for, on loopback, with the token; other
 * hosts are served over TLS alone. It is loaded when it is asked for: no other file imports it.
 */

import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { loadSync, type PackageDefinition, type ServiceDefinition } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation, protoPath } from 'grpc-health-check'
import { assert, every, type Service } from '../base/index.ts'
import { ControlError } from './errors.ts'
import { AgentService } from './grpc-agent.ts'
import type { GrpcDeps } from './grpc-call.ts'
import { grpcGuard } from './grpc-guard.ts'
import { nodeService } from './grpc-node.ts'
import { reflected } from './grpc-reflected.ts'
import { type GrpcSocket, openGrpcSocket } from './grpc-socket.ts'

const MESSAGE_BYTES_MAX = 4_194_304
const STREAMS_MAX = 100
const CALLS_MAX = 256
const SESSION_MEMORY_MB = 64
const KEEPALIVE_MS = 30_000
const KEEPALIVE_TIMEOUT_MS = 10_000
const IDLE_MS = 300_000
const HEALTH_MS = 1_000
const LOOPBACK = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/i

const SERVICES = ['p2p.P2PNode', 'p2p_foundation.Node'] as const

export interface GrpcConfig {
  /** `127.0.0.1:50051` or `[::1]:50051`; port 0 takes any free one. */
  readonly address: string
  readonly certificateFile?: string | undefined
  readonly keyFile?: string | undefined
  /** How long an operation may take when its caller names no time-out. */
  readonly operationTimeoutMs: number
}

export class GrpcServer implements Service {
  readonly name = 'grpc'
  readonly #deps: GrpcDeps
  readonly #config: GrpcConfig
  #server: Server | undefined
  #socket: GrpcSocket | undefined
  #agent: AgentService | undefined
  #watching = new AbortController()

  constructor(deps: GrpcDeps, config: GrpcConfig) {
    this.#deps = deps
    this.#config = config
  }

  /** `127.0.0.1:50051`, with the port that was really taken; undefined before `start`. */
  get address(): string | undefined {
    if (this.#socket === undefined) return undefined
    const { host } = splitAddress(this.#config.address)
    return `${host.includes(':') ? `[${host}]` : host}:${this.#socket.port}`
  }

  async start(): Promise<void> {
    const { clock } = this.#deps
    const { host, port } = splitAddress(this.#config.address)
    const credentials = await credentialsFor(host, this.#config)
    const server = this.#made()
    this.#server = server
    const injector = server.createConnectionInjector(credentials)
    const take = (socket: Socket) => injector.injectConnection(socket)
    try {
      this.#socket = await openGrpcSocket({ host, port, clock, take })
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    this.#watching.abort()
    this.#agent?.close()
    await this.#socket?.close()
    this.#server?.forceShutdown()
    this.#socket = undefined
    this.#server = undefined
  }

  #made(): Server {
    const deps = this.#deps
    const server = new Server({
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_concurrent_streams': STREAMS_MAX,
      'grpc-node.max_session_memory': SESSION_MEMORY_MB,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.max_connection_idle_ms': IDLE_MS,
      'grpc.enable_channelz': 0,
      interceptors: [grpcGuard({ token: deps.token, callsMax: CALLS_MAX })],
    })
    const known = protos()
    this.#agent = new AgentService(deps)
    server.addService(serviceIn(known, 'p2p.P2PNode'), this.#agent.methods())
    const node = serviceIn(known, 'p2p_foundation.Node')
    server.addService(node, nodeService(deps, node, this.#config.operationTimeoutMs))
    new ReflectionService(reflected(known)).addToServer(server)
    this.#tellHealth(server)
    return server
  }

  #tellHealth(server: Server): void {
    const { node, clock } = this.#deps
    const health = new HealthImplementation()
    let shown: boolean | undefined
    const look = () => {
      const { ready } = node.health()
      if (ready === shown) return
      shown = ready
      const state = ready ? 'SERVING' : 'NOT_SERVING'
      for (const name of ['', ...SERVICES]) health.setStatus(name, state)
    }
    look()
    this.#watching = new AbortController()
    void every(clock, HEALTH_MS, look, this.#watching.signal)
    health.addToServer(server)
  }
}

/** The definitions of our two files, which stand beside this one, and of health. */
export function protos(): PackageDefinition {
  const own = [new URL('./p2p.proto', import.meta.url), new URL('./node.proto', import.meta.url)]
  return loadSync([...own.map((file) => fileURLToPath(file)), protoPath], {
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: false,
    oneofs: false,
  })
}

function serviceIn(known: PackageDefinition, name: (typeof SERVICES)[number]): ServiceDefinition {
  const found = known[name]
  assert(found !== undefined, `the service ${name} is in its file`)
  return found as ServiceDefinition
}

async function credentialsFor(host: string, config: GrpcConfig): Promise<ServerCredentials> {
  const { address, certificateFile, keyFile } = config
  if (certificateFile === undefined && keyFile === undefined) {
    if (LOOPBACK.test(host)) return ServerCredentials.createInsecure()
    throw ControlError.GRPC_TLS_REQUIRED({ address })
  }
  const certificate = await readPem(certificateFile, 'grpc_certificate_file')
  const key = await readPem(keyFile, 'grpc_key_file')
  try {
    createSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw ControlError.GRPC_FILES_UNUSABLE({ file: `${certificateFile}`, reason }, error)
  }
  return ServerCredentials.createSsl(null, [{ cert_chain: certificate, private_key: key }])
}

async function readPem(file: string | undefined, key: string): Promise<Buffer> {
  if (file === undefined) {
    throw ControlError.GRPC_FILES_UNUSABLE({ file: 'one file', reason: `${key} is not set` })
  }
  try {
    return await readFile(file)
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw ControlError.GRPC_FILES_UNUSABLE({ file, reason }, error)
  }
}

function splitAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':')
  return {
    host: address.slice(0, at).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(at + 1)),
  }
}
