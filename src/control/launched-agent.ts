/**
 * An agent as the agent document has it: name, port and key in; messages and tools out.
 *
 * It speaks through the `P2PNode` that it is given, or that this program started under the same
 * name and key, or through one that it starts itself and ends again; or, with `attach` or `client`,
 * through a node that runs already and was never ours to start or stop.
 */

import { Emitter } from '../base/index.ts'
import type { CallResult, ToolArgs, ToolEntry } from '../mcp/index.ts'
import type { Sent } from './api.ts'
import type { ControlClient, RemoteCall } from './client.ts'
import { ApiLink } from './launch-api-link.ts'
import { LaunchError } from './launch-errors.ts'
import {
  type AgentDelivery,
  type AgentEvents,
  type AgentIdentity,
  type AgentLink,
  EVERYBODY,
  ProcessLink,
  type SendOptions,
} from './launch-links.ts'
import { checkAgent, checkPort, P2PNode, type P2PNodeOptions } from './launched-node.ts'
import type { Waits } from './served-node.ts'

/** Through what an agent speaks; without `node`, `attach` and `client`, a process of its own. */
export interface AgentOptions extends P2PNodeOptions {
  readonly bootstrapPeers?: readonly string[]
  readonly node?: P2PNode
  /** Of a node that runs already; the key must be that node's own, or empty. */
  readonly client?: ControlClient
}

/** Where a call goes and how it is made, besides its tool and arguments. */
export type CallOptions = Omit<RemoteCall, 'tool' | 'args'> & Waits

export class Agent implements AsyncDisposable {
  readonly agentName: string
  readonly #p2pPort: number
  readonly #bootstrapPeers: readonly string[]
  readonly #link: () => AgentLink
  readonly #events = new Emitter<AgentEvents>(throwLater)
  #open: Promise<AgentLink> | undefined
  #identity: AgentIdentity | undefined

  /** A `p2pPort` of 0 is any free one; an empty key is an identity that the node makes. */
  constructor(agentName: string, p2pPort: number, privateKey: string, options: AgentOptions = {}) {
    checkAgent(agentName, privateKey)
    checkPort(agentName, 'port', p2pPort)
    this.agentName = agentName
    this.#p2pPort = p2pPort
    const { bootstrapPeers = [], node, client, ...own } = options
    this.#bootstrapPeers = bootstrapPeers
    this.#link = () => {
      if (client !== undefined) return new ApiLink(client)
      const known = node ?? (own.attach ? undefined : P2PNode.runningAs(agentName, privateKey))
      return known === undefined
        ? new ProcessLink(new P2PNode(agentName, 0, privateKey, own), true)
        : new ProcessLink(known, false)
    }
  }

  /** The peer id, once started. */
  get peerId(): string | undefined {
    return this.#identity?.peerId
  }

  /** The Ethereum address that others send to, once started. */
  get address(): string | undefined {
    return this.#identity?.address ?? undefined
  }

  /** Where it listens, once started: what others are given as `bootstrapPeers`. */
  get addresses(): readonly string[] {
    return this.#identity?.addresses ?? []
  }

  /** Calls `listener` at every `event`; the function returned takes it away again. */
  on<Name extends keyof AgentEvents>(
    event: Name,
    listener: (payload: AgentEvents[Name]) => void,
  ): () => void {
    return this.#events.on(event, listener)
  }

  /** Joins the network. Listen for messages before, so that none is missed. */
  async start(options: Waits = {}): Promise<void> {
    this.#open ??= this.#start(options).catch((error: unknown) => {
      this.#open = undefined
      throw error
    })
    await this.#open
  }

  /** Sends any JSON to an Ethereum address or peer id; resolves with how far it came so far. */
  async send(to: string, data: unknown, options: SendOptions = {}): Promise<AgentDelivery> {
    return (await this.#running('send')).send(to, data, options)
  }

  /** Sends to every agent that listens; nobody confirms that. */
  async broadcast(data: unknown, options: SendOptions = {}): Promise<AgentDelivery> {
    return (await this.#running('broadcast')).send(EVERYBODY, data, options)
  }

  /** Tools of the network, and calls of them. */
  readonly tools = {
    find: async (query: Sent<'tools'> = {}, waits: Waits = {}): Promise<readonly ToolEntry[]> => {
      return (await this.#running('find tools')).find(query, waits)
    },
    call: async (
      tool: string,
      args: ToolArgs = {},
      options: CallOptions = {},
    ): Promise<CallResult> => {
      const { signal, ...target } = options
      const link = await this.#running('call a tool')
      return link.call({ ...target, tool, args }, signal === undefined ? {} : { signal })
    },
  }

  /** Leaves; a node that was there before the agent stays. */
  async stop(): Promise<void> {
    const link = await this.#open?.catch(() => undefined)
    this.#open = undefined
    this.#identity = undefined
    await link?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #start(waits: Waits): Promise<AgentLink> {
    const link = this.#link()
    const options = { port: this.#p2pPort, bootstrapPeers: this.#bootstrapPeers }
    try {
      this.#identity = await link.open(options, (name, it) => this.#events.emit(name, it), waits)
    } catch (error) {
      await link.close()
      throw error
    }
    return link
  }

  async #running(wanted: string): Promise<AgentLink> {
    if (this.#open === undefined) {
      const agent = this.agentName
      throw LaunchError.LAUNCH_NOT_RUNNING({ agent, wanted, state: 'stopped' })
    }
    return this.#open
  }
}

/** A listener's failure is its program's own: it is thrown where all such are. */
function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
