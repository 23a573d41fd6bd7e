/** The local faces of one node: its API and, when there is one, its MCP gateway. */

import { firstUse, type Random, type Service } from '../base/index.ts'
import type { ControlConfig } from '../node/index.ts'
import { EventFeed } from './event-feed.ts'
import type { GrpcServer } from './grpc.ts'
import { createGuard } from './guard.ts'
import { type Api, type ApiDeps, PUBLIC_PATHS } from './http.ts'
import { createLateApi } from './late-api.ts'
import { type Listener, type ListenerOptions, openListener } from './listener.ts'
import { createMcpGateway, MCP_PATH, type McpFace } from './mcp-gateway.ts'

export const API_ADDRESS = '127.0.0.1:9002'
export const MCP_ADDRESS = '127.0.0.1:8545'

export interface ControlServerDeps extends Omit<ApiDeps, 'feed'> {
  /** Null when the node does not speak MCP. */
  readonly mcp: McpFace | null
  readonly random: Random
  /** What a person should know of the start of the node. */
  readonly notices?: readonly string[]
  /** Ends the node where somebody asks for it; absent where that is no business of ours. */
  readonly stopNode?: () => void
}

export class ControlServer implements Service {
  readonly name = 'control'
  readonly #deps: ControlServerDeps
  readonly #config: ControlConfig
  readonly #feed: EventFeed
  readonly #listeners: Listener[] = []
  readonly #notices: string[] = []
  #api: Api | undefined
  #apiUrl: string | undefined
  #mcpUrl: string | undefined
  #grpc: GrpcServer | undefined

  constructor(deps: ControlServerDeps, config: ControlConfig) {
    this.#deps = deps
    this.#config = config
    const notices = () => [...(deps.notices ?? []), ...this.#notices]
    this.#feed = new EventFeed({ ...deps, notices })
  }

  /** Base URL of the API; undefined before `start`. */
  get apiUrl(): string | undefined {
    return this.#apiUrl
  }

  /** URL of the MCP gateway; undefined before `start` and where there is none. */
  get mcpUrl(): string | undefined {
    return this.#mcpUrl
  }

  /** Where gRPC listens, `127.0.0.1:50051`; undefined before `start` and where it does not. */
  get grpcAddress(): string | undefined {
    return this.#grpc?.address
  }

  /** What a person should be told of the start: ports that had to move. */
  get notices(): readonly string[] {
    return this.#notices
  }

  async start(): Promise<void> {
    const { mcp, log } = this.#deps
    const { apiAddress, mcpAddress, operationTimeoutMs } = this.#config
    const api = createLateApi({ ...this.#deps, feed: this.#feed }, operationTimeoutMs)
    await this.#feed.start()
    this.#api = api
    this.#apiUrl = await this.#open({
      address: apiAddress ?? API_ADDRESS,
      isDefault: apiAddress === undefined,
      key: '[control] api_address',
      publicPaths: PUBLIC_PATHS,
      handle: (request, response) => api.handle(request, response),
    })
    await this.#startGrpc()
    if (mcp === null) return
    const gateway = await this.#open({
      address: mcpAddress ?? MCP_ADDRESS,
      isDefault: mcpAddress === undefined,
      key: '[mcp] server_address',
      publicPaths: [],
      handle: createMcpGateway(mcp, log),
    })
    this.#mcpUrl = `${gateway}${MCP_PATH}`
  }

  async stop(): Promise<void> {
    await this.#feed.stop()
    await this.#grpc?.stop()
    this.#grpc = undefined
    for (const listener of this.#listeners.splice(0).toReversed()) await listener.close()
    await this.#api?.close()
    this.#api = undefined
  }

  /** The library is large, and most nodes are never asked over gRPC. */
  async #startGrpc(): Promise<void> {
    const { grpcAddress, grpcCertificateFile, grpcKeyFile, operationTimeoutMs } = this.#config
    if (grpcAddress === undefined) return
    const { GrpcServer } = await firstUse('the gRPC server', () => import('./grpc.ts'))
    const { node } = this.#deps
    const deps = { ...this.#deps, feed: this.#feed, agent: () => node.agent ?? null }
    const files = { certificateFile: grpcCertificateFile, keyFile: grpcKeyFile }
    const grpc = new GrpcServer(deps, { address: grpcAddress, ...files, operationTimeoutMs })
    await grpc.start()
    this.#grpc = grpc
  }

  async #open(face: Face): Promise<string> {
    const { token, random, log } = this.#deps
    const guard = createGuard({ token, publicPaths: face.publicPaths })
    const listener = await openListener({ ...face, guard, random })
    this.#listeners.push(listener)
    if (listener.movedFrom !== undefined) {
      log.info('port moved', { wanted: listener.movedFrom, url: listener.url, key: face.key })
      this.#notices.push(
        `port ${listener.movedFrom} is in use, so ${listener.url} was taken; ` +
          `set ${face.key} to choose one`,
      )
    }
    return listener.url
  }
}

interface Face extends Omit<ListenerOptions, 'guard' | 'random'> {
  readonly publicPaths: readonly string[]
}
