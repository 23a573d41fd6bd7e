/**
 * Asking a peer that fell silent what became of a call: one frame each way, on a stream of its own.
 *
 *   → {"method":"p2p-foundation/outcome","params":{"key":KEY,"withinMs":MS}}
 *   ← {"result":{"kept":{"result":…} or {"error":…}}}, or a refusal
 *
 * `withinMs` is the whole time of the call: the answer is of no use later, so the call began no
 * longer ago than that when the question arrives, whatever the clocks say. A call that is in work
 * is answered with `MCP_CALL_RUNNING` after a moment, so that silence always means the peer. It is
 * a method of its own, because whoever does not know a mark on a call would run the call.
 */

import { type Clock, CodedError, hasCode, race } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Channel, Host } from '../net/index.ts'
import { isJsonObject, type JsonObject } from '../wire/index.ts'
import { cleanText } from './clean-text.ts'
import { McpError } from './errors.ts'
import type { Journal } from './journal.ts'
import { outcomeOf } from './keyed-calls.ts'
import {
  answerFrame,
  encodeMessage,
  mcpProtocol,
  OUTCOME_METHOD,
  parseFrame,
  type RpcMessage,
  readKey,
  readRefusal,
  refusalFrame,
} from './protocol.ts'
import type { ToolResult } from './tool.ts'
import { cleanRefusal, readToolResult } from './tool-call.ts'

/** How long a call in work is waited for before its caller hears that it still is. */
export const HOLD_MS = 2_000
const WITHIN_MS_MAX = 7 * 24 * 3_600_000
const MESSAGE_CHARS_MAX = 1_000

/** One call, and how long it may take from its beginning to its end. */
export interface Question {
  readonly tool: string
  readonly key: string
  readonly withinMs: number
}

type Asked = Extract<RpcMessage, { kind: 'request' }>

export function isQuestion(message: RpcMessage): message is Asked {
  return message.kind === 'request' && message.method === OUTCOME_METHOD
}

/** Says what became of a call of the same peer; never throws for what the peer asked. */
export async function answerQuestion(
  { id, params }: Asked,
  deps: {
    readonly journal?: Pick<Journal, 'find'>
    readonly channel: Pick<Channel, 'peer' | 'closed'>
    readonly clock: Clock
    /** Gives up on a peer that does not read. */
    readonly send: (frame: Uint8Array) => Promise<void>
  },
): Promise<void> {
  const frame = await keptOf(params, deps).then(
    (kept) => answerFrame(id, `{"result":{"kept":${kept}}}`),
    (error: unknown) => refusalFrame(id, error),
  )
  await deps.send(frame)
}

async function keptOf(
  { key, withinMs }: JsonObject,
  { journal, channel, clock }: Parameters<typeof answerQuestion>[1],
): Promise<string> {
  if (journal === undefined) throw McpError.CALL_LOST({ reason: 'this node keeps no journal' })
  if (!Number.isSafeInteger(withinMs) || !((withinMs as number) >= 0)) {
    throw McpError.REQUEST_INVALID({ found: 'a withinMs that is no whole number of milliseconds' })
  }
  const ms = Math.min(withinMs as number, WITHIN_MS_MAX)
  const entry = journal.find(channel.peer, readKey(key), ms)
  using hold = clock.deadline(HOLD_MS, channel.closed)
  try {
    return await race(outcomeOf(entry), hold.signal)
  } catch (error) {
    if (!hold.signal.aborted || entry.state !== 'running') throw error
    throw McpError.CALL_RUNNING({ key: entry.key })
  }
}

/**
 * Asks once. Resolves with the tool's result; throws what the tool or the peer said, and
 * `MCP_PEER_FAILED` where nothing was heard.
 */
export async function askOutcome(
  peer: PeerId,
  { tool, key, withinMs }: Question,
  deps: { readonly host: Pick<Host, 'open'>; readonly network: string },
  signal: AbortSignal,
): Promise<ToolResult> {
  try {
    const answer = await exchange(peer, { key, withinMs: Math.ceil(withinMs) }, deps, signal)
    return resultOf(answer, { peer, tool })
  } catch (cause) {
    if (cause instanceof CodedError && hasCode(cause, ...SAID)) throw cause
    const reason = cause instanceof Error ? cause.message : 'it was given up'
    throw McpError.PEER_FAILED({ peer, tool, sent: true, reason }, cause)
  }
}

const SAID = ['MCP_PEER_REFUSED', 'MCP_TOOL_ERROR', 'MCP_CALL_LOST']

async function exchange(
  peer: PeerId,
  params: JsonObject,
  { host, network }: { readonly host: Pick<Host, 'open'>; readonly network: string },
  signal: AbortSignal,
): Promise<JsonObject> {
  const channel = await host.open(peer, mcpProtocol(network), { signal })
  try {
    const question = { jsonrpc: '2.0', id: 1, method: OUTCOME_METHOD, params }
    await channel.write(encodeMessage(question), { signal })
    const frame = await channel.read({ signal })
    if (frame === undefined) throw McpError.PIPE_ENDED({ wanted: 'read an outcome' })
    const answer = parseFrame(frame)
    await channel.close().catch(() => {})
    return answer
  } catch (error) {
    channel.abort(error instanceof Error ? error : McpError.PIPE_ENDED({ wanted: 'go on' }))
    throw error
  }
}

interface Of {
  readonly peer: PeerId
  readonly tool: string
}

function resultOf({ result, error }: JsonObject, of: Of): ToolResult {
  const kept = isJsonObject(result) ? result.kept : undefined
  if (isJsonObject(kept)) {
    if (isJsonObject(kept.error)) throw failed(kept.error, of)
    const read = readToolResult(kept.result)
    if (read !== undefined) return read
  }
  const refusal = isJsonObject(error) ? readRefusal(error.data) : undefined
  if (refusal !== undefined && isJsonObject(error)) throw failed(error, of)
  throw McpError.CALL_LOST({ reason: 'its peer keeps no journal that it could be asked for' })
}

/** What an error that a peer answered with is, to whoever called. */
export function failed({ code, message, data }: JsonObject, { peer, tool }: Of): CodedError {
  const refusal = readRefusal(data)
  if (refusal !== undefined) {
    const said = cleanRefusal(refusal)
    return McpError.PEER_REFUSED({ peer, tool, code: said.code, message: said.message })
  }
  const text = cleanText(typeof message === 'string' ? message : '', MESSAGE_CHARS_MAX)
  return McpError.TOOL_ERROR({ tool, rpcCode: typeof code === 'number' ? code : 0, message: text })
}
