/** What the commands of `p2p-node` do, once they are understood. */

import { type Clock, race } from '../base/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { readMessages } from './message-reader.ts'
import type { ServedDelivery, ServedMessage } from './served-agent.ts'
import type { CommandOf } from './shapes/stdio/api.ts'
import { codedFor, errorEvent } from './stdio-classes.ts'
import { BODY_BYTES_MAX, bodyOf, dataOf, JSON_TYPE } from './stdio-data.ts'
import { StdioError } from './stdio-errors.ts'
import { logEvent } from './stdio-log.ts'
import type { RunningNode, StartWith, StdioAgent } from './stdio-node.ts'
import { StdioOperations } from './stdio-operations.ts'
import { answering, type Id, type StdioOutlet } from './stdio-outlet.ts'

const CONNECT_MS = 30_000
const SEND_MS = 60_000
const DISCOVER_MS = 30_000
/** To everybody who listens, in place of an address. */
const EVERYBODY = '*'
/** Where broadcasts are published; every agent reads it. */
const BROADCASTS = 'agent-messages'
/** Where agents say that they are here. */
const ANNOUNCEMENTS = 'agent-announcements'
const FOUND_MAX = 256

export interface StdioCommandsDeps {
  readonly outlet: StdioOutlet
  readonly clock: Clock
  /** Where the node listens unless `connect` says it. */
  readonly port: number | undefined
  /** Called where a client of another face asks for the end of the node. */
  readonly stopAsked: () => void
  start(options: StartWith): Promise<RunningNode>
}

export class StdioCommands {
  readonly #deps: StdioCommandsDeps
  readonly #ended: AbortSignal
  readonly #off: (() => void)[] = []
  readonly #topics = new Set<string>()
  readonly #kept = new Set<string>()
  #starting: Promise<RunningNode> | undefined
  #operations: StdioOperations | undefined
  #hearing: Promise<void> | undefined
  #port: number | undefined

  constructor(deps: StdioCommandsDeps, ended: AbortSignal) {
    this.#deps = deps
    this.#ended = ended
  }

  async connect({ id, port: asked, bootstrapPeers }: CommandOf<'connect'>): Promise<void> {
    const wanted = asked ?? this.#port ?? this.#deps.port
    if (this.#starting !== undefined && wanted !== this.#port) {
      throw StdioError.STDIO_ALREADY_CONNECTED({ port: this.#port ?? 0, wanted: wanted ?? 0 })
    }
    if (this.#ended.aborted) throw StdioError.STDIO_STOPPING({ command: 'connect' })
    this.#port = wanted
    this.#starting ??= this.#start(wanted, bootstrapPeers)
    const running = await this.#starting
    const { peerId, ethAddress, addresses: listen } = running.node
    const { api, grpc } = running
    const ready = { type: 'ready', ...answering(id), peerId, ethAddress, listen, api, grpc }
    await this.#deps.outlet.answer(ready)
    this.#hearing ??= this.#hear(running)
    for (const target of bootstrapPeers ?? []) void this.#reach(running, target)
  }

  async send({ id, peerId: to, data, ...options }: CommandOf<'send'>): Promise<void> {
    const agent = await this.#agent('send')
    const body = bodyOf(data, options.form)
    if (body.length > BODY_BYTES_MAX) {
      const problems = [`data: it has ${body.length} bytes, wanted at most ${BODY_BYTES_MAX}`]
      throw StdioError.STDIO_COMMAND_INVALID({ command: 'send', problems })
    }
    using deadline = this.#deps.clock.deadline(SEND_MS, this.#ended)
    const { signal } = deadline
    const sending = { ...options, contentType: JSON_TYPE, signal }
    const delivery = await race(
      to === EVERYBODY ? agent.broadcast(body, sending) : agent.send(to, body, sending),
      signal,
    )
    await this.#deps.outlet.answer(deliveryEvent(delivery, id))
  }

  async discover({ id, topic }: CommandOf<'discover'>): Promise<void> {
    const { outlet, clock } = this.#deps
    const { node } = await this.#node('discover')
    using deadline = clock.deadline(DISCOVER_MS, this.#ended)
    const { signal } = deadline
    const found = await race(node.dht.findReaders(topic, { signal }), signal)
    for (const peerId of found.slice(0, FOUND_MAX)) {
      await outlet.answer({ type: 'peer_discovered', ...answering(id), peerId, topics: [topic] })
    }
    const meta = { topic, found: found.length }
    await outlet.answer({ ...said('discover', 'search ended', meta), ...answering(id) })
  }

  async subscribe({ id, topic }: CommandOf<'subscribe'>): Promise<void> {
    const { node } = await this.#node('subscribe')
    const isTold = topic === BROADCASTS && node.agent !== null && node.agent !== undefined
    if (!this.#topics.has(topic) && !isTold) {
      const messages = node.subscribe(topic, { signal: this.#ended })
      this.#topics.add(topic)
      void this.#read(topic, messages)
    }
    const done = said('subscribe', 'subscribed', { topic })
    await this.#deps.outlet.answer({ ...done, ...answering(id) })
  }

  /** An operation of the second version. */
  async operation(value: JsonObject, name: string, id: Id): Promise<void> {
    const { outlet, clock } = this.#deps
    const running = await this.#node(name)
    this.#operations ??= new StdioOperations({ running, outlet, clock }, this.#ended)
    await this.#operations.run(value, name, id)
  }

  /** Ends the node, also one that is just starting. */
  async stop(): Promise<void> {
    for (const off of this.#off.splice(0)) off()
    const running = await this.#starting?.catch(() => undefined)
    await this.#hearing
    await this.#operations?.stop()
    await running?.stop()
  }

  async #start(
    port: number | undefined,
    bootstrapPeers: readonly string[] | undefined,
  ): Promise<RunningNode> {
    const { outlet, stopAsked } = this.#deps
    try {
      const writeLog = (line: string) => outlet.tell(logEvent(line))
      const running = await this.#deps.start({ port, bootstrapPeers, writeLog, stopAsked })
      this.#listen(running)
      return running
    } catch (error) {
      // Another port may be free, and the next command may say so.
      this.#starting = undefined
      this.#port = undefined
      throw error
    }
  }

  #listen({ node, notices, dataDir }: RunningNode): void {
    const { outlet } = this.#deps
    const { peerId, ethAddress } = node
    outlet.tell(said('identity', 'node identity', { peerId, ethAddress, dataDir }))
    for (const notice of notices) outlet.tell(said('node', notice, {}))
    this.#off.push(
      node.events.net.on('disconnected', ({ peer }) => {
        if (!this.#kept.has(peer)) return
        outlet.tell(errorEvent(StdioError.STDIO_PEER_DISCONNECTED({ peer })))
      }),
    )
    const { agent } = node
    const { agents } = node.events
    if (!agent || !agents) return
    this.#off.push(
      agents.on('agent', ({ agent: { peer, address, name, openpond }, state }) => {
        if (state !== 'here') return
        const who = { peerId: peer, topics: [ANNOUNCEMENTS], ethAddress: address, name }
        const form = openpond === undefined ? {} : { form: 'openpond' }
        outlet.tell({ type: 'peer_discovered', ...who, ...form })
      }),
      agent.on('delivery', (delivery) => outlet.tell(deliveryEvent(delivery, undefined))),
    )
  }

  /** Whoever waits for `ready` gets it before what came while nobody listened. */
  async #hear({ node: { agent } }: RunningNode): Promise<void> {
    const { outlet, clock } = this.#deps
    if (!agent) return
    await readMessages(
      {
        inbox: agent.inbox,
        clock,
        tell: (message, signal) => outlet.hand(messageEvent(message), signal),
        failed: (error) => outlet.tell(errorEvent(codedFor('messages', error))),
      },
      this.#ended,
    )
  }

  /** A first peer that is not there is no reason not to start, and no secret either. */
  async #reach({ node }: RunningNode, target: string): Promise<void> {
    using deadline = this.#deps.clock.deadline(CONNECT_MS, this.#ended)
    const { signal } = deadline
    try {
      this.#kept.add(await node.connect(target, { signal }))
      this.#off.push(node.keep(target))
    } catch (error) {
      if (this.#ended.aborted) return
      this.#deps.outlet.tell(errorEvent(codedFor('connect', error)))
    }
  }

  async #read(
    topic: string,
    messages: ReturnType<RunningNode['node']['subscribe']>,
  ): Promise<void> {
    const { outlet } = this.#deps
    try {
      for await (const { from, value: data, id: messageId } of messages) {
        outlet.tell({ type: 'message', from, data: plainBytes(data), messageId, topic })
      }
    } catch (error) {
      if (this.#ended.aborted) return
      outlet.tell(errorEvent(codedFor('subscribe', error)))
    } finally {
      this.#topics.delete(topic)
    }
  }

  /** The node, also one that is just starting: commands may be written all at once. */
  async #node(command: string): Promise<RunningNode> {
    if (this.#ended.aborted) throw StdioError.STDIO_STOPPING({ command })
    const running = await this.#starting?.catch(() => undefined)
    if (running === undefined) throw StdioError.STDIO_NOT_CONNECTED({ command })
    return running
  }

  async #agent(command: string): Promise<StdioAgent> {
    const { agent } = (await this.#node(command)).node
    if (agent === null || agent === undefined) throw StdioError.STDIO_AGENT_UNAVAILABLE({ command })
    return agent
  }
}

function said(namespace: string, message: string, meta: object) {
  return { type: 'log', level: 'info', namespace, message, meta } as const
}

function messageEvent({
  id: messageId,
  from,
  body,
  contentType,
  broadcast,
  ...rest
}: ServedMessage) {
  const { conversation, replyTo, route } = rest
  return {
    type: 'message',
    from: from.address ?? from.peer,
    ...dataOf(body, contentType),
    messageId,
    peer: from.peer,
    ...(broadcast === true && { topic: BROADCASTS }),
    ...(route === 'openpond' && { route }),
    ...(conversation !== undefined && { conversation }),
    ...(replyTo !== undefined && { replyTo }),
  }
}

function deliveryEvent({ id: messageId, to, state, reason, at }: ServedDelivery, id: Id) {
  return {
    type: 'delivery',
    ...answering(id),
    messageId,
    to,
    state,
    ...(reason !== undefined && { reason }),
    at,
  }
}

/** Bytes on a topic are base64; what holds others within is told as JSON has it. */
function plainBytes(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}
