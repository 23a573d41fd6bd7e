/**
 * The standard tools of a node: made from its parts, offered as one service while it runs.
 *
 * The service is well known, so it is not written into the DHT by every node there is. A node that
 * can run models is looked for, and is announced.
 */

import {
  type Clock,
  Emitter,
  type Logger,
  type Random,
  type Registry,
  type Service,
} from '../base/index.ts'
import type { Dht } from '../dht/index.ts'
import type { PeerId, Signer } from '../identity/index.ts'
import type { Tool, ToolResult } from '../mcp/index.ts'
import type { Libp2pHost } from '../net/index.ts'
import type { RpcClient, RpcServer } from '../rpc/index.ts'
import { callAt } from './call-peer.ts'
import type { McpParts } from './compose-mcp.ts'
import { editConfig } from './edit-config.ts'
import { type NodeDht, reach } from './injected.ts'
import { type ResolvedConfig, secretFrom } from './load-config.ts'
import type { PeerIdentities } from './peer-identities.ts'
import type { Changes, Reconfigured } from './reconfigure.ts'
import type { NodeStatus } from './shapes.ts'
import { peersOf } from './state.ts'
import { aggregateResults } from './tools/aggregate.ts'
import { refuseLarge } from './tools/answers.ts'
import type { PeerCall } from './tools/ask-many.ts'
import { Configuration } from './tools/configuration.ts'
import type { ToolsEvents } from './tools/events.ts'
import { STANDARD_EXPOSURE } from './tools/exposure.ts'
import type { Backend } from './tools/inference/backend.ts'
import { LOOK_MS, makeBackends } from './tools/inference/backends.ts'
import type { Fetch } from './tools/inference/http-lines.ts'
import { forwardToPeer, runInference } from './tools/inference.ts'
import { managementTools } from './tools/management.ts'
import { Messages } from './tools/messages.ts'
import { STANDARD_SERVICE, STANDARD_TOOLS } from './tools/names.ts'
import { networkTools } from './tools/network.ts'

export interface StandardToolsDeps {
  readonly host: Libp2pHost
  readonly dht: NodeDht | null
  readonly ownDht: Dht | null
  readonly rpc: { readonly server: RpcServer; readonly client: RpcClient }
  readonly identities: PeerIdentities | null
  readonly mcp: McpParts
  readonly signer: Signer
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly registry?: Registry
  /** Asks servers of models; the one of the system unless given. */
  readonly fetch?: Fetch
}

/** What only the node itself can say and do. */
export interface OwnNode {
  status(): NodeStatus
  resources(): object
  reconfigure(changes: Changes): Reconfigured
}

export class StandardTools implements Service {
  readonly name = 'standard tools'
  readonly events: Emitter<ToolsEvents>
  readonly messages: Messages
  readonly #deps: StandardToolsDeps
  readonly #config: ResolvedConfig
  readonly #backends: readonly Backend[]
  #node: OwnNode | undefined

  constructor(deps: StandardToolsDeps, config: ResolvedConfig) {
    this.#deps = deps
    this.#config = config
    const { host, dht, ownDht, log } = deps
    this.events = new Emitter((error) => log.error('listener failed', { error }))
    this.messages = new Messages({
      ...deps,
      network: config.network,
      connect: (peer, options) => reach(peer, { host, dht, ownDht }, options),
      told: (message) => this.events.emit('message', message),
    })
    const ask: Fetch = deps.fetch ?? ((url, init) => fetch(url, init))
    this.#backends = makeBackends(config.mcp.inference, { fetch: ask, secret: secretFrom })
  }

  /** Says whose tools these are, before they are started. */
  attach(node: OwnNode): void {
    this.#node = node
  }

  async start(): Promise<void> {
    const node = this.#node
    const { availableTools } = this.#config.mcp
    if (node === undefined || availableTools.length === 0) return
    using deadline = this.#deps.clock.deadline(LOOK_MS)
    await Promise.all(this.#backends.map((backend) => backend.look(deadline.signal)))
    const offered: readonly string[] = availableTools
    const tools = this.#tools(node).filter(({ info }) => offered.includes(info.name))
    // Who has nothing to find is not told of: every node has this service.
    const runs = this.#backends.length > 0 && offered.includes('run_inference')
    const publicity = { visibility: runs ? 'public' : 'peers' } as const
    const { services } = this.#deps.mcp
    services.exposeTools(STANDARD_SERVICE, tools, STANDARD_EXPOSURE, publicity)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#backends.map((backend) => backend.close()))
  }

  #tools(node: OwnNode): readonly Tool[] {
    const { host, mcp, clock } = this.#deps
    const { directory, router, scores } = mcp
    const inference = { backends: this.#backends, directory, router, scores, host, clock }
    const callPeer = (peer: PeerId, call: PeerCall) => this.#callPeer(peer, call)
    const made = [
      ...networkTools({ ...this.#deps, directory, messages: this.messages }),
      runInference(inference),
      forwardToPeer(inference),
      aggregateResults({ directory, router, host, clock, callPeer }),
      ...managementTools({
        status: () => node.status(),
        resources: () => node.resources(),
        peers: () => peersOf(host),
        configuration: this.#configuration(node),
        events: this.events,
      }),
    ]
    return STANDARD_TOOLS.flatMap((name) => made.filter(({ info }) => info.name === name))
  }

  async #callPeer(peer: PeerId, { tool, args, ...options }: PeerCall): Promise<ToolResult> {
    const { mcp, clock } = this.#deps
    const deps = { ...mcp, clock, config: this.#config.mcp }
    return callAt({ peer, tool, args }, deps, { ...options, onlarge: refuseLarge })
  }

  #configuration(node: OwnNode): Configuration {
    const { dataDir } = this.#config
    return new Configuration({
      config: this.#config,
      reconfigure: (changes) => node.reconfigure(changes),
      persist: (key, text) => editConfig({ key, text }, { data: dataDir }, {}),
    })
  }
}
