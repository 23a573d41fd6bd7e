/** Asks many peers the same, a few at a time, and takes of each what can be compared. */

import { type Clock, either, WorkQueue } from '../../base/index.ts'
import type { PeerId } from '../../identity/index.ts'
import { cleanText, type ToolArgs, type ToolContext, type ToolResult } from '../../mcp/index.ts'
import type { Json, JsonObject } from '../../wire/index.ts'
import { ToolsError } from '../tools-errors.ts'
import { codeIn, reasonOf, textOf, VALUE_CHARS_MAX } from './answers.ts'
import { valueAtPath } from './combine.ts'
import { isStandardTool, STANDARD_SERVICE } from './names.ts'

/** As many as one call may ask. */
export const PEERS_MAX = 32
const CALLS = { name: 'aggregated calls', concurrentMax: 8, waitingMax: PEERS_MAX }
/** What is repeated of a peer's words. */
export const REASON_CHARS_MAX = 512

/** What asking wants of the node. */
export interface AskDeps {
  readonly clock: Clock
  /** Calls one tool at one peer, whichever of its services has it. */
  readonly callPeer: (peer: PeerId, call: PeerCall) => Promise<ToolResult>
}

export interface PeerCall {
  readonly tool: string
  readonly args: ToolArgs
  readonly service?: string
  readonly signal: AbortSignal
  /** `request_timeout` would end it otherwise, however long the asker has. */
  readonly timeoutMs: number
}

/** The part of a request that each peer is asked with. */
export interface Asked {
  readonly tool: string
  readonly service?: string | undefined
  readonly arguments: Readonly<Record<string, unknown>>
  readonly combine: string
  readonly path?: string | undefined
  readonly timeout_ms: number
}

/** What became of one peer. */
export type Said =
  | { readonly peer: PeerId; readonly value: Json; readonly ms: number }
  | { readonly peer: PeerId; readonly code: string; readonly reason: string; readonly ms: number }

/** In the order in which they ended, so that the first is the first. */
export async function askAll(
  deps: AskDeps,
  { peers, args }: { readonly peers: readonly PeerId[]; readonly args: Asked },
  context: ToolContext,
): Promise<readonly Said[]> {
  const queue = new WorkQueue(CALLS)
  const enough = new AbortController()
  using signals = either(context.signal, enough.signal)
  const isEnough = () => enough.signal.aborted
  const said: Said[] = []
  const ask = async (peer: PeerId) => {
    if (isEnough()) return
    const one = await askOne(deps, { peer, args }, signals.signal)
    context.signal.throwIfAborted()
    if (isEnough()) return
    said.push(one)
    context.progress?.(said.length, `${peer}: ${'code' in one ? one.code : 'answered'}`)
    if (args.combine === 'first' && 'value' in one) enough.abort()
  }
  await Promise.all(peers.map((peer) => queue.run(() => ask(peer))))
  return said
}

async function askOne(
  { clock, callPeer }: AskDeps,
  { peer, args }: { readonly peer: PeerId; readonly args: Asked },
  signal: AbortSignal,
): Promise<Said> {
  const { tool, service, path, timeout_ms: timeoutMs } = args
  const startedMs = clock.now()
  using deadline = clock.deadline(timeoutMs, signal)
  // A standard tool is asked where every node has it.
  const named = service ?? (isStandardTool(tool) ? STANDARD_SERVICE : undefined)
  const call = { tool, args: args.arguments as JsonObject, signal: deadline.signal, timeoutMs }
  const ms = () => Math.round(clock.now() - startedMs)
  try {
    const result = await callPeer(peer, { ...call, ...(named !== undefined && { service: named }) })
    const text = textOf(result)
    if (result.isError === true) return failure(peer, codeIn(text), text, ms())
    const value = counted(result, text, path)
    if (value !== undefined) return { peer, value, ms: ms() }
    return failure(peer, 'NODE_TOOL_ARGUMENT', `its answer has nothing at "${path ?? ''}"`, ms())
  } catch (error) {
    const { code, reason } = reasonOf(error)
    return failure(peer, code, reason, ms())
  }
}

/** The words are the peer's own, or quote them. */
function failure(peer: PeerId, code: string, reason: string, ms: number): Said {
  return { peer, code: cleanText(code, 64), reason: cleanText(reason, REASON_CHARS_MAX), ms }
}

/** Cut short, two answers would be the same that are not: one that is too long counts for none. */
export function counted(
  { structuredContent }: ToolResult,
  text: string,
  path: string | undefined,
): Json | undefined {
  const whole: Json = structuredContent ?? text
  const value = path === undefined ? whole : valueAtPath(whole, path)
  if (value === undefined) return undefined
  const size = JSON.stringify(value).length
  if (size <= VALUE_CHARS_MAX) return value
  const wanted = `at most ${VALUE_CHARS_MAX}; path picks a part of it`
  throw ToolsError.ANSWER_TOO_LONG({ found: `${size} characters of JSON`, wanted })
}
