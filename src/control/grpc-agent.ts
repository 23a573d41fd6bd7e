/**
 * The service `p2p.P2PNode`, as clients of OpenPond's node know it: what happens to the node as one
 * stream, messages to agents, the agents there are, and the end of the node.
 *
 * Its original gave the stream no `ready`, took a private key in the first request, and answered
 * before anything was sent. Here the key is refused, and nothing answers well that was not done.
 */

import type {
  handleUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { every } from '../base/index.ts'
import { ControlError } from './errors.ts'
import { EventReader } from './event-reader.ts'
import { answer, callSink, type GrpcDeps } from './grpc-call.ts'
import { readMessages } from './message-reader.ts'
import type { ServedAgent, ServedDelivery, ServedMessage } from './served-agent.ts'

const READERS_MAX = 16
const BEAT_MS = 15_000
export const CONTENT_BYTES_MAX = 524_288
const EXPIRES_MS_MAX = 7 * 86_400_000

interface ConnectRequest {
  readonly port?: number
  readonly name?: string
  readonly privateKey?: string
}

interface Message {
  readonly to?: string
  readonly content?: Uint8Array
  readonly conversation?: string
  readonly replyTo?: string
  readonly expiresMs?: number
}

/** One of `P2PEvent`'s fields. */
type P2PEvent = Readonly<Record<string, object>>

export class AgentService {
  readonly #deps: GrpcDeps
  readonly #readers = new Set<EventReader<P2PEvent>>()

  constructor(deps: GrpcDeps) {
    this.#deps = deps
  }

  /** One function for each method. */
  methods(): UntypedServiceImplementation {
    return {
      Connect: (call: ServerWritableStream<ConnectRequest, P2PEvent>) => void this.#connect(call),
      SendMessage: this.#unary((message: Message, signal) => this.#send(message, signal)),
      ListAgents: this.#unary(async () => ({ agents: await this.#agents() })),
      Stop: this.#unary(async () => this.#stop()),
    }
  }

  /** Ends every stream of events. */
  close(): void {
    for (const reader of this.#readers) reader.end()
  }

  #unary<Request>(
    work: (request: Request, signal: AbortSignal) => Promise<object>,
  ): handleUnaryCall<Request, object> {
    return (call, callback) => {
      const done = answer(this.#deps, call, (signal) => work(call.request, signal))
      void done.then((result) => {
        if ('error' in result) callback(result.error)
        else callback(null, result.value)
      })
    }
  }

  async #connect(call: ServerWritableStream<ConnectRequest, P2PEvent>): Promise<void> {
    const result = await answer(this.#deps, call, async (gone) => {
      this.#checkConnect(call.request)
      if (this.#readers.size >= READERS_MAX) throw ControlError.EVENTS_BUSY({ limit: READERS_MAX })
      await this.#tell(call, gone)
    })
    if ('error' in result) call.emit('error', result.error)
    else call.end()
  }

  #checkConnect({ port = 0, privateKey = '' }: ConnectRequest): void {
    if (privateKey !== '') throw ControlError.KEY_NOT_TAKEN({})
    const { listen } = this.#deps.node.status()
    if (port === 0 || listen.some((each) => each.split('/')[4] === String(port))) return
    const problem = `port: found ${port}, wanted 0 or a port that this node listens on`
    throw ControlError.REQUEST_INVALID({ part: 'message', problems: [problem] })
  }

  /** Tells what happens until the caller is gone or the node ends. */
  async #tell(
    call: ServerWritableStream<ConnectRequest, P2PEvent>,
    gone: AbortSignal,
  ): Promise<void> {
    const { node, clock, agent, log } = this.#deps
    const reader = new EventReader(
      callSink<P2PEvent, P2PEvent>(call, { messageOf: (event) => event, lagged, bytesOf }),
    )
    const push = (event: P2PEvent) => reader.push(event)
    const found = agent()
    const off = [
      node.events.net.on('connected', ({ peer }) => push({ peerConnected: { peerId: peer } })),
      node.events.net.on('disconnected', ({ peer }) => {
        push({ peerDisconnected: { peerId: peer } })
      }),
      found?.on('delivery', (delivery) => push({ delivery: deliveryEvent(delivery) })),
    ]
    const over = new AbortController()
    this.#readers.add(reader)
    log.debug('events read over gRPC', { name: (call.request.name ?? '').slice(0, 64) })
    const { peerId, ethAddress } = node.status()
    push({ ready: { peerId, ethAddress: found?.address ?? ethAddress ?? '' } })
    void every(clock, BEAT_MS, () => reader.beat(), over.signal)
    const telling = found === null ? undefined : this.#tellMessages(found, reader, over.signal)
    await reader.ended(gone)
    over.abort()
    await telling
    for (const each of off) each?.()
    this.#readers.delete(reader)
  }

  /** What came while nobody listened comes first; then each as it comes. */
  #tellMessages(
    { inbox }: ServedAgent,
    reader: EventReader<P2PEvent>,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, log } = this.#deps
    const tell = (message: ServedMessage) => reader.hand({ message: messageEvent(message) })
    const failed = (error: unknown) => log.warn('messages not read', { error })
    return readMessages({ inbox, clock, tell, failed }, signal)
  }

  async #send(message: Message, signal: AbortSignal): Promise<object> {
    const { to = '', content = new Uint8Array(), conversation, replyTo, expiresMs = 0 } = message
    checkMessage(content, expiresMs)
    const agent = this.#agent()
    const options = {
      signal,
      ...(conversation !== undefined && conversation !== '' && { conversation }),
      ...(replyTo !== undefined && replyTo !== '' && { replyTo }),
      ...(expiresMs > 0 && { expiresMs }),
    }
    const isToAll = to === '' || to === '*'
    const delivery = isToAll
      ? await agent.broadcast(content, options)
      : await agent.send(to, content, options)
    const { id: messageId, state, reason } = delivery
    if (state === 'failed') throw ControlError.NOT_SENT({ messageId, reason: reason ?? 'unknown' })
    return { messageId, state }
  }

  async #agents(): Promise<object[]> {
    const found = await this.#agent().agents()
    return found.map(({ address, peer, name = '', connectedSince = 0 }) => {
      return { agent_id: address, peer_id: peer, agent_name: name, connected_since: connectedSince }
    })
  }

  async #stop(): Promise<object> {
    const { stopNode, clock } = this.#deps
    if (stopNode === undefined) throw ControlError.STOP_NOT_OFFERED({})
    // The answer goes first: the node takes its connections with it.
    void clock.sleep(STOP_AFTER_MS).then(stopNode, stopNode)
    return {}
  }

  #agent(): ServedAgent {
    const agent = this.#deps.agent()
    if (agent === null) throw ControlError.AGENT_UNAVAILABLE({})
    return agent
  }
}

const STOP_AFTER_MS = 50

function checkMessage(content: Uint8Array, expiresMs: number): void {
  if (content.length > CONTENT_BYTES_MAX) {
    throw ControlError.BODY_TOO_LARGE({ limit: CONTENT_BYTES_MAX })
  }
  if (Number.isSafeInteger(expiresMs) && expiresMs >= 0 && expiresMs <= EXPIRES_MS_MAX) return
  const problem = `expiresMs: found ${expiresMs}, wanted 0 to ${EXPIRES_MS_MAX}`
  throw ControlError.REQUEST_INVALID({ part: 'message', problems: [problem] })
}

function messageEvent(message: ServedMessage): object {
  const { id, from, to, body, conversation = '', replyTo = '', sentAt } = message
  const author = from.address ?? from.peer
  return {
    messageId: id,
    from: author,
    to,
    content: body,
    timestamp: sentAt,
    conversation,
    replyTo,
  }
}

function deliveryEvent({ id, to, state, reason = '', at }: ServedDelivery): object {
  return { messageId: id, to, state, reason, timestamp: at }
}

function lagged(missed: number): P2PEvent {
  const { code, message } = ControlError.EVENTS_MISSED({ missed })
  return { error: { code, message } }
}

/** Contents count, the rest of an event is some hundred bytes. */
function bytesOf({ message }: P2PEvent): number {
  const { content } = (message ?? {}) as { readonly content?: Uint8Array }
  return 256 + (content?.length ?? 0)
}
