/**
 * An agent's way to a node that runs already: its HTTP API. Messages are fetched by a question that
 * the node holds open until there is one, from the place in its inbox where the last one stood; so
 * none is lost while the connection is away. Of what came before the agent started, it is told what
 * nobody has read. What becomes of messages is told as it happens: what happens while the
 * connection is away is not.
 */

import { type Clock, isRetryable, systemClock } from '../base/index.ts'
import type { CallResult, ToolEntry } from '../mcp/index.ts'
import type { Answer, Sent } from './api.ts'
import type { ControlClient, RemoteCall } from './client.ts'
import type {
  AgentDelivery,
  AgentIdentity,
  AgentLink,
  AgentMessage,
  SendOptions,
  Tell,
} from './launch-links.ts'
import type { ConnectOptions } from './launched-node.ts'
import type { Waits } from './served-node.ts'
import type { StreamEvent } from './shapes/api.ts'

/** How long the node holds a question for messages open. */
const WAIT_MS = 30_000
/** After a failure that may mend. */
const PAUSE_MS = 2_000
/** Where broadcasts are published. */
const BROADCASTS = 'agent-messages'

/** What it asks of a client. */
export type AgentClient = Pick<
  ControlClient,
  'status' | 'events' | 'connect' | 'tools' | 'call' | 'messageSend' | 'messages' | 'messageNext'
>

export interface ApiLinkOptions {
  readonly clock?: Clock
  /** Called for each agent that comes. */
  readonly onagent?: (agent: Extract<StreamEvent, { event: 'agent' }>) => void
}

interface Place {
  /** The last message that was told. */
  readonly after: number
  readonly unreadUpTo: number
}

export class ApiLink implements AgentLink {
  readonly #client: AgentClient
  readonly #clock: Clock
  readonly #onagent: ApiLinkOptions['onagent']
  readonly #closing = new AbortController()
  #reading: Promise<unknown> = Promise.resolve()

  constructor(client: AgentClient, { clock = systemClock, onagent }: ApiLinkOptions = {}) {
    this.#client = client
    this.#clock = clock
    this.#onagent = onagent
  }

  /** The node runs where its owner put it, so that a port is not ours to ask for. */
  async open(
    { bootstrapPeers = [] }: ConnectOptions,
    tell: Tell,
    waits: Waits,
  ): Promise<AgentIdentity> {
    const { peerId, ethAddress, listen } = await this.#client.status(waits)
    const { messages } = await this.#client.messages({ limit: 1 }, waits)
    for (const target of bootstrapPeers) await this.#client.connect(target, waits)
    const unreadUpTo = messages[0]?.cursor ?? 0
    let after = 0
    this.#reading = Promise.all([
      this.#again(tell, async () => {
        after = await this.#read({ after, unreadUpTo }, tell)
      }),
      this.#again(tell, () => this.#watch(tell)),
    ])
    return { peerId, address: ethAddress, addresses: listen }
  }

  async send(to: string, data: unknown, options: SendOptions): Promise<AgentDelivery> {
    const { signal, ...rest } = options
    const waits = signal === undefined ? {} : { signal }
    const { id, state, reason } = await this.#client.messageSend({ to, data, ...rest }, waits)
    return { id, to, state, ...(reason !== undefined && { reason }) }
  }

  find(query: Sent<'tools'>, waits: Waits): Promise<readonly ToolEntry[]> {
    return this.#client.tools(query, waits)
  }

  call(request: RemoteCall, waits: Waits): Promise<CallResult> {
    return this.#client.call(request, waits)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#reading
  }

  /** Does it over and over; a failure that may mend is told and waited out, any other ends it. */
  async #again(tell: Tell, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#closing
    const isOver = () => signal.aborted
    while (!isOver()) {
      try {
        await work()
      } catch (error) {
        if (isOver()) return
        tell('error', error instanceof Error ? error : new TypeError(String(error)))
        if (!isRetryable(error)) return
        await this.#clock.sleep(PAUSE_MS, signal).catch(() => undefined)
      }
    }
  }

  /** Waits for the next message; the place that it stands at, or the old one without one. */
  async #read(place: Place, tell: Tell): Promise<number> {
    const asked = { ...place, timeoutMs: WAIT_MS }
    const { message } = await this.#client.messageNext(asked, { signal: this.#closing.signal })
    if (message === null) return place.after
    tell('message', messageOf(message))
    return message.cursor
  }

  /** Reads what happens until the node ends the stream. */
  async #watch(tell: Tell): Promise<void> {
    const { signal } = this.#closing
    for await (const event of this.#client.events({ signal })) {
      if (event.event === 'agent' && event.state === 'here') this.#onagent?.(event)
      if (event.event !== 'delivery') continue
      const { id, to, state, reason } = event
      tell('delivery', { id, to, state, ...(reason !== undefined && { reason }) })
    }
    // A node that stops ends it; whether it comes back shows at the next try.
    await this.#clock.sleep(PAUSE_MS, signal).catch(() => undefined)
  }
}

function messageOf(message: NonNullable<Answer<'messageNext'>['message']>): AgentMessage {
  const { id, from, data, conversation, replyTo, broadcast } = message
  return {
    id,
    from,
    data,
    ...(conversation !== undefined && { conversation }),
    ...(replyTo !== undefined && { replyTo }),
    ...(broadcast && { topic: BROADCASTS }),
  }
}
