/**
 * Calls a tool of a peer that this node has no path to: a connected peer of our network carries the
 * signed call there, and the signed answer back. Who is closest to the callee is asked first.
 *
 * Only calls with one answer go this way: no progress, no questions of the tool to its caller, no
 * results above 1 MiB. Until the callee waits for the call nothing is handed over, so a relay that
 * is of no use costs nothing but time. Afterwards silence is silence, whatever a relay says:
 * another one carries the call again only where the tool is idempotent.
 */

import type { Policy } from '../access/index.ts'
import { type Clock, CodedError, compareBytes, type Logger, type Random } from '../base/index.ts'
import type { PeerId, Signer } from '../identity/index.ts'
import type { Channel, Host } from '../net/index.ts'
import { isJsonObject, type JsonObject, parseJson } from '../wire/index.ts'
import { callMeta } from './call-meta.ts'
import type { McpConfig } from './config.ts'
import {
  ENVELOPE_AGE_MS_MAX,
  ENVELOPE_BYTES_MAX,
  ENVELOPE_ID_BYTES,
  type EnvelopeText,
  openAnswer,
  sealEnvelope,
} from './envelope.ts'
import { McpError } from './errors.ts'
import { type HeldRights, rightsFor } from './exposure-held.ts'
import type { McpMetrics } from './metrics.ts'
import { failed } from './outcome.ts'
import { OUTCOME_METHOD, SERVICE_META } from './protocol.ts'
import { peerDistance } from './ranking.ts'
import { RelayError } from './relay-errors.ts'
import {
  CALL_METHOD,
  decodeReady,
  encodeAsk,
  LIST_METHOD,
  relayProtocol,
  unsignedNo,
} from './relay-protocol.ts'
import type { SessionCall } from './session.ts'
import type { ToolInfo, ToolResult } from './tool.ts'
import { messageOf, readToolResult } from './tool-call.ts'
import { readTools } from './tool-list.ts'
import { isUnreachable } from './unreachable.ts'

const RELAYS_MAX = 3
/** For a relay to reach the callee, which it may have to dial. */
const READY_MS = 12_000

export interface RelayedCallsDeps extends HeldRights {
  readonly host: Pick<Host, 'self' | 'connections' | 'open' | 'protocolsOf'>
  readonly signer: Pick<Signer, 'sign'>
  /** A peer that is refused here is not called through others either. */
  readonly policy?: Pick<Policy, 'admit'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Pick<McpMetrics, 'relayed'>
  readonly network: string
}

export interface RelayedOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly grants?: readonly string[] | undefined
  /** Whether another relay may carry the call where one that had it says nothing. */
  readonly idempotent: boolean
  /** Is told of each peer that is asked to carry the call. */
  readonly onvia?: (via: PeerId) => void
}

/** What is said to whom, for a tool of that name. */
interface Message {
  readonly peer: PeerId
  readonly tool: string
  readonly method: string
  readonly params: string
}

interface Answered {
  readonly outcome: JsonObject
  readonly via: PeerId
}

export class RelayedCalls {
  readonly #deps: RelayedCallsDeps
  readonly #config: Pick<McpConfig, 'relayCalls'>

  constructor(deps: RelayedCallsDeps, config: Pick<McpConfig, 'relayCalls'>) {
    this.#deps = deps
    this.#config = config
  }

  /**
   * Calls a tool of `peer`, which could not be called directly for `cause`. Throws what the callee
   * says; `cause` where that is no want of a path, or nobody is there to carry the call; and
   * otherwise how far it came.
   */
  async call(
    peer: PeerId,
    call: SessionCall & { readonly key: string },
    options: RelayedOptions,
    cause: unknown,
  ): Promise<ToolResult> {
    const { service, tool, args, key } = call
    if (!this.#mayHelp(peer, cause)) throw cause
    if (!this.#config.relayCalls) {
      throw RelayError.RELAY_OFF({ peer, tool, reason: messageOf(cause), sent: false }, cause)
    }
    const { grants, timeoutMs } = options
    const rights = rightsFor({ peer, service, tool }, this.#deps, grants)
    const meta = { [SERVICE_META]: service, ...callMeta(timeoutMs, key), ...rights }
    const params = JSON.stringify({ name: tool, arguments: args, _meta: meta })
    const message = { peer, tool, method: CALL_METHOD, params }
    const answered = await this.#throughEach(message, options)
    if (answered === undefined) throw cause
    const { outcome, via } = answered
    const result = readToolResult(outcome.result)
    if (result !== undefined) return result
    if (isJsonObject(outcome.error)) throw failed(outcome.error, { peer, tool })
    const reason = 'its answer is neither a result nor an error'
    throw RelayError.RELAY_FAILED({ peer, tool, via, sent: true, reason })
  }

  /** The tools of a service of `peer`, whose own list could not be had for `cause`. */
  async listTools(
    peer: PeerId,
    service: string,
    { signal }: { readonly signal: AbortSignal },
    cause: unknown,
  ): Promise<readonly ToolInfo[]> {
    if (!this.#config.relayCalls || !this.#mayHelp(peer, cause)) throw cause
    const meta = { [SERVICE_META]: service, ...rightsFor({ peer, service }, this.#deps) }
    const message = { peer, tool: LIST_METHOD, method: LIST_METHOD }
    const params = JSON.stringify({ _meta: meta })
    const answered = await this.#throughEach({ ...message, params }, { signal, idempotent: true })
    if (answered === undefined) throw cause
    const { result, error } = answered.outcome
    if (isJsonObject(error)) throw failed(error, { peer, tool: LIST_METHOD })
    return readTools(isJsonObject(result) && Array.isArray(result.tools) ? result.tools : [])
  }

  /**
   * Asks what became of a call, as `outcome.ts` does over a stream; none where nobody carries it.
   */
  async ask(
    peer: PeerId,
    question: JsonObject,
    signal: AbortSignal,
  ): Promise<JsonObject | undefined> {
    if (!this.#config.relayCalls) return undefined
    const params = JSON.stringify(question)
    const message = { peer, tool: OUTCOME_METHOD, method: OUTCOME_METHOD, params }
    return (await this.#throughEach(message, { signal, idempotent: true }))?.outcome
  }

  async #throughEach(
    message: Message,
    { signal, idempotent, onvia }: Pick<RelayedOptions, 'signal' | 'idempotent' | 'onvia'>,
  ): Promise<Answered | undefined> {
    const { log, metrics } = this.#deps
    let last: Error | undefined
    for (const via of await this.#relaysTo(message.peer)) {
      if (signal.aborted) break
      onvia?.(via)
      try {
        const outcome = await this.#through(via, message, signal)
        metrics.relayed.add(1, { role: 'asked', outcome: 'ok' })
        return { outcome, via }
      } catch (error) {
        if (!(error instanceof Error)) throw error
        metrics.relayed.add(1, { role: 'asked', outcome: 'failed' })
        log.debug('call not relayed', { peer: message.peer, via, error })
        const sent = isSent(error)
        if (sent || !isSent(last)) last = error
        if (sent && !idempotent) throw error
        // What is too long for one is too long for all.
        if (error instanceof CodedError && error.code === 'MCP_RELAYED_TOO_LARGE') throw error
      }
    }
    if (last !== undefined) throw last
    return undefined
  }

  /** Whether it is a path that is missing, and nothing else stands against the call. */
  #mayHelp(peer: PeerId, cause: unknown): boolean {
    const { host, policy } = this.#deps
    if (!isUnreachable(cause)) return false
    if (host.connections().some((connection) => connection.peer === peer)) return false
    try {
      policy?.admit(peer, 'mcp.call')
      return true
    } catch {
      return false
    }
  }

  /** Connected peers of our network that carry calls, closest to the callee first. */
  async #relaysTo(callee: PeerId): Promise<readonly PeerId[]> {
    const { host, network } = this.#deps
    const { id } = relayProtocol(network)
    const connected = new Set(host.connections().map(({ peer }) => peer))
    connected.delete(callee)
    const able = await Promise.all(
      [...connected].map(async (peer) => {
        return (await host.protocolsOf(peer)).includes(id) ? [peer] : []
      }),
    )
    return able
      .flat()
      .map((peer) => ({ peer, distance: peerDistance(callee, peer) }))
      .sort((a, b) => compareBytes(a.distance, b.distance))
      .slice(0, RELAYS_MAX)
      .map(({ peer }) => peer)
  }

  async #through(via: PeerId, message: Message, signal: AbortSignal): Promise<JsonObject> {
    const { clock, random, host, signer, network } = this.#deps
    const { peer, tool, method, params } = message
    const of = { peer, tool, via }
    const id = random.bytes(ENVELOPE_ID_BYTES)
    const text = { id, method, params, from: host.self, to: peer, sentAtMs: clock.now() }
    const bytes = await sealEnvelope(text, signer, { network })
    const channel = await this.#ready(of, bytes.length, signal)
    try {
      await channel.write(bytes, { signal })
      const frame = await channel.read({ signal })
      await channel.close().catch(() => {})
      if (frame === undefined) throw McpError.PIPE_ENDED({ wanted: 'read an answer' })
      return outcomeIn(frame, { text, bytes, network })
    } catch (cause) {
      channel.abort(cause instanceof Error ? cause : McpError.PIPE_ENDED({ wanted: 'go on' }))
      if (cause instanceof CodedError && cause.code === 'MCP_ENVELOPE_INVALID') throw cause
      throw RelayError.RELAY_FAILED({ ...of, sent: true, reason: messageOf(cause) }, cause)
    }
  }

  /** A way to the callee, which waits for the call at its end; nothing was handed over yet. */
  async #ready(
    of: { readonly peer: PeerId; readonly tool: string; readonly via: PeerId },
    bytes: number,
    until: AbortSignal,
  ): Promise<Channel> {
    const { clock, host, network } = this.#deps
    using deadline = clock.deadline(READY_MS, until)
    const { signal } = deadline
    let channel: Channel | undefined
    try {
      channel = await host.open(of.via, relayProtocol(network), { signal })
      await channel.write(encodeAsk({ to: of.peer, bytes }), { signal })
      const frame = await channel.read({ signal })
      if (frame === undefined) throw McpError.PIPE_ENDED({ wanted: 'be carried' })
      const word = decodeReady(frame)
      if ('error' in word) throw RelayError.RELAY_SAYS({ ...word.error })
      const aheadMs = clock.now() - word.nowMs
      if (Math.abs(aheadMs) > ENVELOPE_AGE_MS_MAX) {
        throw RelayError.ENVELOPE_STALE({ aheadMs, limitMs: ENVELOPE_AGE_MS_MAX, sent: false })
      }
      return channel
    } catch (cause) {
      channel?.abort(cause instanceof Error ? cause : McpError.PIPE_ENDED({ wanted: 'go on' }))
      if (cause instanceof CodedError && cause.code === 'MCP_ENVELOPE_STALE') throw cause
      throw RelayError.RELAY_FAILED({ ...of, sent: false, reason: messageOf(cause) }, cause)
    }
  }
}

/** What the callee says; throws where it is not the callee who says it. */
function outcomeIn(
  frame: Uint8Array,
  call: { readonly text: EnvelopeText; readonly bytes: Uint8Array; readonly network: string },
): JsonObject {
  const said = unsignedNo(frame)
  if (said !== undefined) throw RelayError.RELAY_SAYS({ ...said })
  const { params } = openAnswer(frame, call)
  const outcome = parseJson(params, 'relayed answer', { bytesMax: ENVELOPE_BYTES_MAX })
  if (isJsonObject(outcome)) return outcome
  throw RelayError.ENVELOPE_INVALID({ found: 'an answer that is no object', sent: true })
}

/** Whether a relay had the call when it failed. */
function isSent(error: unknown): boolean {
  if (!(error instanceof CodedError)) return false
  return (error.facts as { readonly sent?: unknown }).sent === true
}
