/**
 * Calls of peers that have no path to this node, as another peer carries them here.
 *
 * A call is looked at in this order: size and form, age, whether it came before, for whom it is,
 * who signed it. From there on it is its author's: a stream of the author's is made for it, which
 * the server takes like any other, so that exposure, grants, quota, places and the journal are
 * those of a direct call. The peer that carries it pays as well.
 *
 * Until the signature holds, what is wrong is said to whoever carries the call and proves nothing;
 * every word after that is signed. A call without an idempotency key is refused: it could not be
 * asked for when its answer is lost.
 */

import { type Clock, CodedError, type Logger, race } from '../base/index.ts'
import type { PeerId, Signer } from '../identity/index.ts'
import type { Channel } from '../net/index.ts'
import { isJsonObject, type JsonObject } from '../wire/index.ts'
import { ByteBudget } from './byte-budget.ts'
import type { McpConfig } from './config.ts'
import {
  ANSWER_METHOD,
  ENVELOPE_AGE_MS_MAX,
  ENVELOPE_BYTES_MAX,
  type Envelope,
  isSealed,
  openEnvelope,
  PARAMS_BYTES_MAX,
  sealEnvelope,
} from './envelope.ts'
import { McpError } from './errors.ts'
import { openSession, type PeerSession } from './peer-session.ts'
import { type Pipe, pipePair } from './pipe.ts'
import {
  CORRELATION_META,
  encodeMessage,
  FRAME_BYTES_MAX,
  KEY_META,
  OUTCOME_METHOD,
  parseFrame,
  type Refusal,
  rpcError,
  SERVICE_META,
  TIMEOUT_META,
} from './protocol.ts'
import { RelayError } from './relay-errors.ts'
import { CALL_METHOD, encodeReady, LIST_METHOD } from './relay-protocol.ts'
import { RelayRoom } from './relay-room.ts'
import { asListed, callOf, type Place, paramsOf, placeOf } from './relayed-request.ts'
import { linkedResult } from './result-protocol.ts'
import { SeenEnvelopes } from './seen-envelopes.ts'
import type { InboundStreams } from './server.ts'
import type { ToolResult } from './tool.ts'
import { failureOf } from './tool-call.ts'
import { listTools } from './tool-list.ts'

/** How long each frame may take to come or go, once the call was announced. */
const CALL_MS = 10_000
/** What the server allows a call at most, as `gate.ts` has it, and a little for the stream. */
const TIMEOUTS_MAX = 4
const SLACK_MS = 5_000
const LIMITS = {
  perPeerMax: 8,
  max: 64,
  bytesPerPeerMax: 64 * ENVELOPE_BYTES_MAX,
  bytesMax: 512 * ENVELOPE_BYTES_MAX,
}
/** Of the call alone; what else `_meta` holds is of the stream as well. */
const OF_THE_CALL = new Set([KEY_META, TIMEOUT_META, CORRELATION_META, SERVICE_META])

export interface RelayedServerDeps {
  readonly signer: Pick<Signer, 'peer' | 'sign'>
  readonly streams: Pick<InboundStreams, 'take'>
  readonly clock: Clock
  readonly log: Logger
  readonly network: string
}

type Work = (
  session: PeerSession,
  until: { readonly signal: AbortSignal; readonly timeoutMs: number },
) => Promise<JsonObject>

export class RelayedServer {
  readonly #deps: RelayedServerDeps
  readonly #config: Pick<McpConfig, 'requestTimeoutMs'>
  readonly #room: RelayRoom
  readonly #seen = new SeenEnvelopes()
  readonly #budget = new ByteBudget(4 * FRAME_BYTES_MAX)
  /** What was signed before is not known to be new: what came then is forgotten. */
  readonly #sinceMs: number

  constructor(deps: RelayedServerDeps, config: Pick<McpConfig, 'requestTimeoutMs'>) {
    this.#deps = deps
    this.#config = config
    this.#room = new RelayRoom(deps.clock, LIMITS)
    this.#sinceMs = deps.clock.now()
  }

  /** Takes one call from a peer that carries it, and gives it the answer. */
  async take(channel: Channel): Promise<void> {
    const { clock, log, network, signer } = this.#deps
    const place = this.#room.take(channel.peer)
    let work: Promise<unknown> = Promise.resolve()
    try {
      place.spend(1)
      await this.#write(channel, encodeReady(clock.now()))
      const bytes = await this.#read(channel)
      if (bytes === undefined) return
      place.overdraw(bytes.length)
      const call = this.check(bytes, channel.peer)
      log.debug('relayed call', { peer: call.from, via: channel.peer, method: call.method })
      const outcome = this.#outcome(call)
      work = outcome
      const params = await race(outcome, channel.closed)
      const back = { from: signer.peer, to: call.from, sentAtMs: clock.now() }
      const text = { id: call.id, method: ANSWER_METHOD, params, ...back }
      const answer = await sealEnvelope(text, signer, { network, answers: bytes })
      place.overdraw(answer.length)
      await this.#write(channel, answer)
    } finally {
      // A relay that leaves ends nothing, and its place is taken until the tool is done.
      void work.finally(() => place[Symbol.dispose]())
    }
  }

  /** What its author says, once and now, to this node, carried by `via`; throws otherwise. */
  check(bytes: Uint8Array, via: PeerId): Envelope {
    const { clock, network, signer } = this.#deps
    const call = openEnvelope(bytes)
    const nowMs = clock.now()
    const aheadMs = call.sentAtMs - nowMs
    if (Math.abs(aheadMs) > ENVELOPE_AGE_MS_MAX || call.sentAtMs < this.#sinceMs) {
      throw RelayError.ENVELOPE_STALE({ aheadMs, limitMs: ENVELOPE_AGE_MS_MAX, sent: true })
    }
    if (this.#seen.has(call)) throw RelayError.ENVELOPE_REPLAYED({ from: call.from })
    if (call.to !== signer.peer) {
      throw RelayError.ENVELOPE_INVALID({ found: `a call to ${call.to}`, sent: true })
    }
    if (!isSealed(call, { network })) {
      const found = `a signature that ${call.from} did not make over this call`
      throw RelayError.ENVELOPE_INVALID({ found, sent: true })
    }
    this.#seen.add({ ...call, via }, nowMs)
    return call
  }

  /** JSON of what came of the call; an error is an outcome, so it never rejects. */
  async #outcome(call: Envelope): Promise<string> {
    try {
      const params = paramsOf(call)
      const text = JSON.stringify(await this.#answer(call, params))
      const size = Buffer.byteLength(text)
      if (size <= PARAMS_BYTES_MAX) return text
      throw RelayError.RELAYED_TOO_LARGE({ what: 'result', size, limit: PARAMS_BYTES_MAX })
    } catch (error) {
      this.#deps.log.debug('relayed call failed', { peer: call.from, error })
      return JSON.stringify({ error: rpcError(error) })
    }
  }

  #answer(call: Envelope, params: JsonObject): Promise<JsonObject> {
    switch (call.method) {
      case OUTCOME_METHOD:
        return this.#ask(call, params)
      case LIST_METHOD:
        return this.#list(call, params)
      case CALL_METHOD:
        return this.#call(call, params)
      default:
        throw McpError.REQUEST_INVALID({ found: 'a relayed request that is no call of a tool' })
    }
  }

  async #call(envelope: Envelope, params: JsonObject): Promise<JsonObject> {
    const { name, args, service, meta } = callOf(params)
    return await this.#serve(envelope, { service, meta }, async (session, until) => {
      const { [SERVICE_META]: _, ...own } = meta
      return whole(await session.callTool({ tool: name, args, meta: own }, until))
    })
  }

  /** What a caller holds its call to, where it approved the tool before. */
  async #list(envelope: Envelope, params: JsonObject): Promise<JsonObject> {
    return await this.#serve(envelope, placeOf(params), async ({ client }, until) => {
      const { signal, timeoutMs: timeout } = until
      return { tools: (await listTools(client, { signal, timeout })).map(asListed) }
    })
  }

  /** A session of the author's own with one service, for as long as the work takes. */
  async #serve(envelope: Envelope, { service, meta }: Place, work: Work): Promise<JsonObject> {
    const { clock, log, network, signer } = this.#deps
    const timeoutMs = TIMEOUTS_MAX * this.#config.requestTimeoutMs + SLACK_MS
    using deadline = clock.deadline(timeoutMs)
    const { signal } = deadline
    const host = { open: async () => this.#stream(envelope) }
    const rights = Object.fromEntries(Object.entries(meta).filter(([key]) => !OF_THE_CALL.has(key)))
    const of = { peer: signer.peer, service, rights }
    const budget = this.#budget
    try {
      const session = await openSession(of, { host, clock, log, network, budget }, signal)
      try {
        return { result: await work(session, { signal, timeoutMs }) }
      } finally {
        session.end()
      }
    } catch (cause) {
      return { error: await errorOf(cause, signal) }
    }
  }

  async #ask(envelope: Envelope, params: JsonObject): Promise<JsonObject> {
    using deadline = this.#deps.clock.deadline(this.#config.requestTimeoutMs)
    const { signal } = deadline
    const stream = this.#stream(envelope)
    try {
      const question = { jsonrpc: '2.0', id: 1, method: OUTCOME_METHOD, params }
      await stream.write(encodeMessage(question), { signal })
      const frame = await stream.read({ signal })
      if (frame === undefined) throw McpError.PIPE_ENDED({ wanted: 'read an outcome' })
      const { result, error } = parseFrame(frame)
      return isJsonObject(error) ? { error } : { result: result ?? null }
    } finally {
      await stream.close()
    }
  }

  /** A stream of the author's own, whose far end the server serves. */
  #stream({ from }: Envelope): Channel {
    const [near, far] = pipePair()
    const gone = new AbortController()
    void this.#deps.streams.take(asChannel(far, { peer: from, gone }))
    return asChannel(near, { peer: this.#deps.signer.peer, gone })
  }

  async #write(channel: Channel, frame: Uint8Array): Promise<void> {
    using deadline = this.#deps.clock.deadline(CALL_MS)
    await channel.write(frame, { signal: deadline.signal })
  }

  async #read(channel: Channel): Promise<Uint8Array | undefined> {
    using deadline = this.#deps.clock.deadline(CALL_MS)
    return await channel.read({ signal: deadline.signal })
  }
}

function asChannel(
  pipe: Pipe,
  { peer, gone }: { readonly peer: Channel['peer']; readonly gone: AbortController },
): Channel {
  return {
    peer,
    closed: gone.signal,
    read: (options) => pipe.read(options),
    write: (frame, options) => pipe.write(frame, options),
    close: () => pipe.close(),
    abort: (error) => {
      pipe.abort(error)
      gone.abort(error)
    },
  }
}

/** A result that is kept for its caller is of no use to one who cannot come for it. */
function whole(result: ToolResult): JsonObject {
  const kept = linkedResult(result.content)
  if (kept === undefined) return { ...result } as JsonObject
  const { size } = kept
  throw RelayError.RELAYED_TOO_LARGE({ what: 'result', size, limit: PARAMS_BYTES_MAX })
}

/** The error as the server would have answered its author with it. */
async function errorOf(cause: unknown, signal: AbortSignal): Promise<JsonObject> {
  if (cause instanceof CodedError) {
    const { code, message } = cause.facts as { code?: unknown; message?: unknown }
    if (cause.code !== 'MCP_PEER_REFUSED') return { ...rpcError(cause) }
    return refused({ code: String(code), message: String(message), retryable: true })
  }
  const failure = await failureOf(cause, signal)
  if (failure.kind === 'refusal') return refused(failure.refusal)
  if (failure.kind === 'error') return { code: failure.rpcCode, message: failure.message }
  return { ...rpcError(McpError.SERVICE_ENDED({ reason: failure.reason }, cause)) }
}

function refused({ code, message, retryable }: Refusal): JsonObject {
  return { ...rpcError(undefined), message, data: { code, message, retryable } }
}
