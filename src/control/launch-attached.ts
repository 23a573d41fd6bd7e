/**
 * A node that runs already, for a `P2PNode` that is attached to it: the commands of `p2p-node`,
 * answered over the node's HTTP API. It was started by somebody else, so nothing here ends it or
 * chooses its port, and the key stays where it is: one that is given is only held against it.
 */

import { CodedError } from '../base/index.ts'
import { type OperationName, operations, type Sent } from './api.ts'
import { ControlClient } from './client.ts'
import { ApiLink } from './launch-api-link.ts'
import type { Command } from './launch-commands.ts'
import { LaunchError } from './launch-errors.ts'
import type { LaunchState } from './launch-keeper.ts'
import type { AgentEvents } from './launch-links.ts'
import type { Waits } from './served-node.ts'
import { type LaunchEvent, launchEvent } from './shapes/launch/api.ts'
import { HttpTransport, type TransportOptions } from './transport.ts'

/** Where a node answers and the token of its data folder (`node.json`, `api.token`). */
export interface AttachOptions {
  /** Base URL of its API, such as `http://127.0.0.1:9002`. */
  readonly url: string
  readonly token: string
  /** Who has to answer; unless given, whoever proves that it knows the token. */
  readonly peerId?: string
}

/** What runs behind a `P2PNode`: a process that it keeps, or a node that was there before. */
export interface Launched {
  readonly state: LaunchState
  readonly pid: number | undefined
  start(signal?: AbortSignal): Promise<void>
  command(command: Command, signal?: AbortSignal): Promise<LaunchEvent>
  stop(): Promise<void>
}

export interface AttachedDeps {
  readonly agent: string
  readonly privateKey: string
  readonly client: ControlClient
  readonly ask: HttpTransport['ask']
  readonly onevent: (event: LaunchEvent) => void
  /** Lets go of connections. */
  readonly close: () => Promise<void>
}

/** What agents read in any case: whoever has one has the other. */
const AGENT_TOPICS = ['agent-messages', 'agent-announcements']
/** These are read line by line, or have a connection of their own. */
const STREAMS: readonly string[] = ['events', 'exposeAttached', 'callOutput', 'metrics']

export class AttachedNode implements Launched {
  readonly pid = undefined
  readonly #deps: AttachedDeps
  readonly #link: ApiLink
  #state: LaunchState = 'stopped'
  #opening: Promise<unknown> | undefined

  constructor(deps: AttachedDeps) {
    this.#deps = deps
    this.#link = new ApiLink(deps.client, { onagent: (agent) => this.#discovered(agent) })
  }

  get state(): LaunchState {
    return this.#state
  }

  /** Resolves once the node answers, and speaks for the key that was given. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#state = 'starting'
    try {
      const { ethAddress } = await this.#deps.client.status(waitsOf(signal))
      await this.#checkKey(ethAddress)
      this.#state = 'running'
    } catch (error) {
      this.#state = 'failed'
      throw error
    }
  }

  async command(command: Command, signal?: AbortSignal): Promise<LaunchEvent> {
    const waits = waitsOf(signal)
    const { v, type, ...fields } = command
    if (v === 2) return this.#operation(type, fields, waits)
    if (type === 'connect') return this.#connect(fields, waits)
    if (type === 'send') return this.#send(fields, waits)
    if (type === 'subscribe') return this.#subscribe(fields)
    if (type === 'discover') return this.#discover(fields, waits)
    throw this.#unsupported(`do "${type}"`, 'The node runs without this program')
  }

  async stop(): Promise<void> {
    this.#state = 'stopped'
    await this.#opening?.catch(() => undefined)
    await this.#link.close()
    await this.#deps.close()
  }

  async #checkKey(found: string | null): Promise<void> {
    const { agent, privateKey } = this.#deps
    if (privateKey === '') return
    const { ethKeyFromText, ethSigner } = await import('../identity/index.ts')
    const { address } = ethSigner(ethKeyFromText(privateKey))
    if (address === found) return
    const wanted = `that of the node, ${found ?? 'which has none'}, or empty`
    throw LaunchError.LAUNCH_INVALID({ agent, what: 'key', found: `that of ${address}`, wanted })
  }

  async #connect({ bootstrapPeers }: Fields, waits: Waits): Promise<LaunchEvent> {
    const { client, onevent } = this.#deps
    this.#opening ??= this.#link.open({}, (name, payload) => this.#tell(name, payload), waits)
    await this.#opening.catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    for (const target of (bootstrapPeers as readonly string[] | undefined) ?? []) {
      void client.connect(target).catch((error: unknown) => onevent(errorEvent(error)))
    }
    const { peerId, ethAddress, listen } = await client.status(waits)
    const ready = launchEvent.parse({ type: 'ready', peerId, ethAddress, listen })
    onevent(ready)
    return ready
  }

  async #send({ peerId: to, ...what }: Fields, waits: Waits): Promise<LaunchEvent> {
    const sent = { to, ...what } as unknown as Sent<'messageSend'>
    const { id: messageId, ...delivery } = await this.#deps.client.messageSend(sent, waits)
    return { type: 'delivery', messageId, ...delivery }
  }

  #subscribe({ topic }: Fields): LaunchEvent {
    this.#checkTopic('subscribe to', topic)
    return log('subscribe', 'subscribed', { topic })
  }

  /** Who has a topic of all agents are the agents that are here. */
  async #discover({ topic }: Fields, waits: Waits): Promise<LaunchEvent> {
    this.#checkTopic('look for', topic)
    const agents = await this.#deps.client.agents(waits)
    for (const { peer, address, name } of agents) this.#discovered({ peer, address, name })
    return log('discover', 'search ended', { topic, found: agents.length })
  }

  #checkTopic(wanted: string, topic: unknown): void {
    if (AGENT_TOPICS.includes(String(topic))) return
    const remedy = 'Over HTTP there are the topics of agents alone: start a process without attach'
    throw this.#unsupported(`${wanted} the topic "${String(topic)}"`, remedy)
  }

  async #operation(name: string, { input, ...fields }: Fields, waits: Waits): Promise<LaunchEvent> {
    if (!Object.hasOwn(operations, name) || STREAMS.includes(name)) {
      throw this.#unsupported(`do "${name}"`, 'Ask client(), or a process of your own')
    }
    const sent = (input ?? fields) as Sent<OperationName>
    const result = await this.#deps.ask(name as OperationName, sent, waits)
    return { type: 'result', result }
  }

  #discovered({ peer: peerId, address: ethAddress, name }: Found): void {
    const who = { peerId, topics: ['agent-announcements'], ethAddress, name }
    this.#deps.onevent({ type: 'peer_discovered', ...who })
  }

  #tell<Name extends keyof AgentEvents>(name: Name, payload: AgentEvents[Name]): void {
    const { onevent } = this.#deps
    if (payload instanceof Error) onevent(errorEvent(payload))
    else {
      const { id: messageId, ...what } = payload
      onevent(launchEvent.parse({ type: name, messageId, ...what }))
    }
  }

  #unsupported(wanted: string, remedy: string): Error {
    return LaunchError.LAUNCH_UNSUPPORTED({ agent: this.#deps.agent, wanted, remedy })
  }
}

/** The node at `attach`, over connections of its own. */
export function attachedNode(
  attach: AttachOptions,
  given: Pick<AttachedDeps, 'agent' | 'privateKey' | 'onevent'>,
): AttachedNode {
  const options = transportTo(attach)
  const [client, transport] = [new ControlClient(options), new HttpTransport(options)]
  const close = async () => {
    transport.close()
    await client[Symbol.asyncDispose]()
  }
  const ask: AttachedDeps['ask'] = (name, sent, waits) => transport.ask(name, sent, waits)
  return new AttachedNode({ ...given, client, ask, close })
}

/** As the client of the API wants it. */
export function transportTo({ url, token, peerId }: AttachOptions): TransportOptions {
  const base = url.replace(/\/+$/, '')
  return {
    url: base,
    token,
    ...(peerId !== undefined && { peerId }),
    name: base,
    start: 'p2p start',
  }
}

type Fields = Readonly<Record<string, unknown>>

interface Found {
  readonly peer: string
  readonly address: string
  readonly name: string
}

function waitsOf(signal: AbortSignal | undefined): Waits {
  return signal === undefined ? {} : { signal }
}

function log(namespace: string, message: string, meta: object): LaunchEvent {
  return { type: 'log', level: 'info', namespace, message, meta }
}

function errorEvent(error: unknown): LaunchEvent {
  const coded = error instanceof CodedError ? (error as CodedError) : undefined
  const message = error instanceof Error ? error.message : String(error)
  const { code = 'CONTROL_INTERNAL', retryable = false } = coded ?? {}
  return { type: 'error', code, message, retryable }
}
