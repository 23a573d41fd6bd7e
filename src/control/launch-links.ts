/**
 * The two ways an agent reaches its node: the standard input and output of a process that this
 * program runs, and the HTTP API of a node that runs already. Both answer in the same shapes.
 */

import type { CallResult, ToolEntry } from '../mcp/index.ts'
import type { Sent } from './api.ts'
import type { RemoteCall } from './client.ts'
import type { Command } from './launch-commands.ts'
import { LaunchError } from './launch-errors.ts'
import type { ConnectOptions, P2PNode } from './launched-node.ts'
import type { Waits } from './served-node.ts'
import type { LaunchEvent } from './shapes/launch/api.ts'

/** Who an agent is in the network. */
export interface AgentIdentity {
  readonly peerId: string
  /** Null where the node has no Ethereum key. */
  readonly address: string | null
  /** Where it listens. */
  readonly addresses: readonly string[]
}

/** What belongs to a message besides what it says. */
export interface SendOptions extends Waits {
  /** Groups messages; 64 characters at most. */
  readonly conversation?: string
  /** The id of the message that this one answers. */
  readonly replyTo?: string
  /** Given up after this long, when nobody has taken it. */
  readonly expiresMs?: number
}

/** How far a message has come. */
export interface AgentDelivery {
  readonly id: string
  readonly to: string
  /** `queued`, `sent`, `stored`, `delivered`, `read`, `expired` or `failed`. */
  readonly state: string
  readonly reason?: string
}

/** What somebody said to this agent, or to all. */
export interface AgentMessage {
  readonly id: string
  /** The Ethereum address of its author, or the peer id of one without. */
  readonly from: string
  readonly data: unknown
  readonly conversation?: string
  readonly replyTo?: string
  /** Where it was published, if it was not sent to us. */
  readonly topic?: string
}

export interface AgentEvents {
  readonly message: AgentMessage
  /** News of a message of ours. */
  readonly delivery: AgentDelivery
  /** What failed and was no answer to a call. */
  readonly error: Error
}

export type Tell = <Name extends keyof AgentEvents>(name: Name, payload: AgentEvents[Name]) => void

/** What an agent asks of its way to a node. */
export interface AgentLink {
  open(options: ConnectOptions, tell: Tell, waits: Waits): Promise<AgentIdentity>
  /** `to` is an Ethereum address, a peer id, or `*` for everybody. */
  send(to: string, data: unknown, options: SendOptions): Promise<AgentDelivery>
  find(query: Sent<'tools'>, waits: Waits): Promise<readonly ToolEntry[]>
  call(request: RemoteCall, waits: Waits): Promise<CallResult>
  close(): Promise<void>
}

/** To everybody who listens, in place of an address. */
export const EVERYBODY = '*'

/** Over a process of ours. `isOwn` says that it ends with the agent. */
export class ProcessLink implements AgentLink {
  readonly #node: P2PNode
  readonly #isOwn: boolean
  readonly #off: (() => void)[] = []

  constructor(node: P2PNode, isOwn: boolean) {
    this.#node = node
    this.#isOwn = isOwn
  }

  async open(options: ConnectOptions, tell: Tell, waits: Waits): Promise<AgentIdentity> {
    this.#off.push(
      this.#node.on('message', (event) => tell('message', messageOf(event))),
      this.#node.on('delivery', (event) => tell('delivery', deliveryOf(event))),
    )
    await this.#node.start(waits)
    const { peerId, ethAddress = null, listen } = await this.#node.connect(options, waits)
    return { peerId, address: ethAddress, addresses: listen }
  }

  async send(to: string, data: unknown, options: SendOptions): Promise<AgentDelivery> {
    const { signal, ...rest } = options
    const answer = await this.#ask({ type: 'send', peerId: to, data, ...rest }, { signal })
    if (answer.type !== 'delivery') throw this.#strange('send', answer)
    return deliveryOf(answer)
  }

  async find(query: Sent<'tools'>, waits: Waits): Promise<readonly ToolEntry[]> {
    return (await this.#operation('tools', query, waits)) as readonly ToolEntry[]
  }

  async call(request: RemoteCall, waits: Waits): Promise<CallResult> {
    return (await this.#operation('call', request, waits)) as CallResult
  }

  async close(): Promise<void> {
    for (const off of this.#off.splice(0)) off()
    if (this.#isOwn) await this.#node.stop()
  }

  async #operation(name: string, sent: object, waits: Waits): Promise<unknown> {
    const answer = await this.#ask({ ...sent, v: 2, type: name }, waits)
    if (answer.type !== 'result') throw this.#strange(name, answer)
    return answer.result
  }

  #ask(
    command: Command,
    waits: { readonly signal?: AbortSignal | undefined },
  ): Promise<LaunchEvent> {
    return this.#node.command(command, waits)
  }

  #strange(wanted: string, { type }: LaunchEvent): Error {
    const remedy = `It answered with "${type}": is it the p2p-node of this version?`
    return LaunchError.LAUNCH_UNSUPPORTED({ agent: this.#node.agentName, wanted, remedy })
  }
}

function messageOf(event: Extract<LaunchEvent, { type: 'message' }>): AgentMessage {
  const { messageId = '', from, data, topic, conversation, replyTo } = event
  return {
    id: messageId,
    from,
    data,
    ...(typeof conversation === 'string' && { conversation }),
    ...(typeof replyTo === 'string' && { replyTo }),
    ...(topic !== undefined && { topic }),
  }
}

function deliveryOf(event: Extract<LaunchEvent, { type: 'delivery' }>): AgentDelivery {
  const { messageId = '', to = '', state, reason } = event
  return { id: messageId, to, state, ...(typeof reason === 'string' && { reason }) }
}
