/** One call to many peers, and their answers made into one. */

import { z } from 'zod'
import { type Clock, either, WorkQueue } from '../../base/index.ts'
import { type PeerId, peerId } from '../../identity/index.ts'
import type { Directory, Router, Tool, ToolArgs, ToolContext, ToolResult } from '../../mcp/index.ts'
import type { Host } from '../../net/index.ts'
import type { Json, JsonObject } from '../../wire/index.ts'
import { ToolsError } from '../tools-errors.ts'
import { type Answer, all, type Combined, first, mean, valueAtPath, vote } from './combine.ts'
import { standardTool } from './define.ts'
import { codeIn, textOf } from './inference.ts'
import { isStandardTool, STANDARD_SERVICE } from './names.ts'
import { peerText } from './texts.ts'

/** What the tool asks of the node. */
export interface AggregateDeps {
  readonly directory: Pick<Directory, 'lookup'>
  readonly router: Pick<Router, 'call'>
  readonly host: Pick<Host, 'self'>
  readonly clock: Clock
  /** Calls one tool at one peer, whichever of its services has it. */
  readonly callPeer: (peer: PeerId, call: PeerCall) => Promise<ToolResult>
}

export interface PeerCall {
  readonly tool: string
  readonly args: ToolArgs
  readonly service?: string
  readonly signal: AbortSignal
}

const PEERS_MAX = 32
const CALLS = { name: 'aggregated calls', concurrentMax: 8, waitingMax: PEERS_MAX }
const VALUE_CHARS_MAX = 65_536
/** A call that makes many calls would multiply without end. */
const FAN_OUT: readonly string[] = ['aggregate_results', 'forward_to_peer']

const fields = z.record(z.string().max(256), z.unknown()).default({})

const input = z.strictObject({
  tool: z.string().min(1).max(128).describe('The tool to call at each peer'),
  arguments: fields.describe('Its arguments, the same for all'),
  service: z.string().min(1).max(63).optional().describe('Only of this service'),
  peers: z
    .array(peerText)
    .min(1)
    .max(PEERS_MAX)
    .optional()
    .describe('Whom to ask; those that offer the tool, nearest first, if left out'),
  count: z.int().min(1).max(PEERS_MAX).default(5).describe('How many to ask where none is named'),
  combine: z
    .enum(['vote', 'first', 'all', 'mean', 'tool'])
    .default('vote')
    .describe('How many answers become one'),
  combiner: z
    .strictObject({
      tool: z.string().min(1).max(128),
      service: z.string().min(1).max(63).optional(),
      peer: peerText.optional(),
    })
    .optional()
    .describe('For "tool": it is called with {answers: [{peer, value}]}'),
  path: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe('Which part of the structured answer counts, such as result.sum'),
  timeout_ms: z.int().min(100).max(600_000).default(10_000).describe('For each of the peers'),
})

type Wanted = z.output<typeof input>

const output = z.object({
  combine: z.string(),
  value: z.unknown(),
  decided: z.boolean(),
  note: z.string().nullable(),
  agreed: z.array(z.string()),
  dissent: z.array(z.string()),
  answers: z.array(z.object({ peer: z.string(), value: z.unknown(), ms: z.number() })),
  failed: z.array(
    z.object({ peer: z.string(), code: z.string(), reason: z.string(), ms: z.number() }),
  ),
})

export function aggregateResults(deps: AggregateDeps): Tool {
  return standardTool(
    'aggregate_results',
    {
      title: 'Aggregate results',
      description:
        'Calls one tool at many peers and combines what they answer: by vote (the most frequent ' +
        'answer; a tie decides nothing), first, all, mean, or a tool that you name. Says who ' +
        'answered what, who failed and why, and who disagreed.',
      idempotent: false,
      input,
      output,
    },
    (args, context) => aggregate(deps, args, context),
  )
}

async function aggregate(deps: AggregateDeps, args: Wanted, context: ToolContext) {
  check(args, deps, context)
  const peers = await peersFor(deps, args, context)
  const said = await askAll(deps, { peers, args }, context)
  const answers = said.flatMap((one) => ('value' in one ? [one] : []))
  const failed = said.flatMap((one) => ('code' in one ? [one] : []))
  const combined = await combine(deps, { args, answers }, context)
  const { value, decided, note, agreed, dissent } = combined
  return {
    combine: args.combine,
    value,
    decided,
    note,
    agreed: [...agreed],
    dissent: [...dissent],
    answers: answers.map(({ peer, value: each, ms }) => ({ peer, value: each, ms })),
    failed,
  }
}

function check(
  { tool, combine: how, combiner, peers }: Wanted,
  deps: AggregateDeps,
  context: ToolContext,
) {
  const wrong = (argument: string, found: string, wanted: string) => {
    throw ToolsError.TOOL_ARGUMENT({ tool: 'aggregate_results', argument, found, wanted })
  }
  if (FAN_OUT.includes(tool)) wrong('tool', tool, 'one that does not call many itself')
  if ((how === 'tool') !== (combiner !== undefined)) {
    wrong('combiner', combiner === undefined ? 'missing' : 'there', 'one exactly for "tool"')
  }
  if (combiner !== undefined && FAN_OUT.includes(combiner.tool)) {
    wrong('combiner', combiner.tool, 'one that does not call many itself')
  }
  // Its own tools this node calls as its operator: nobody else may have them called that way.
  if (context.caller === null) return
  const { self } = deps.host
  if (peers?.includes(self) === true) wrong('peers', 'this node itself', 'other nodes')
  if (combiner !== undefined && (combiner.peer ?? self) === self) {
    wrong('combiner', 'a tool of this node', 'one with the peer that has it')
  }
}

async function peersFor(
  { directory, host }: AggregateDeps,
  { peers, tool, service, count }: Wanted,
  { caller, signal }: ToolContext,
): Promise<readonly PeerId[]> {
  if (peers !== undefined) return [...new Set(peers.map((peer) => peerId(peer)))]
  const query = { tool, ...(service !== undefined && { service }) }
  const { entries } = await directory.lookup(query, { signal })
  const found = [...new Set(entries.map(({ peer }) => peer))]
  const allowed = found.filter((peer) => caller === null || peer !== host.self)
  if (allowed.length > 0) return allowed.slice(0, count)
  const facts = { argument: 'tool', found: 'offered by no peer that was found', wanted: 'peers' }
  throw ToolsError.TOOL_ARGUMENT({ tool: 'aggregate_results', ...facts })
}

type Said =
  | { readonly peer: PeerId; readonly value: Json; readonly ms: number }
  | { readonly peer: PeerId; readonly code: string; readonly reason: string; readonly ms: number }

/** In the order in which they ended, so that the first is the first. */
async function askAll(
  deps: AggregateDeps,
  { peers, args }: { readonly peers: readonly PeerId[]; readonly args: Wanted },
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
  { clock, callPeer }: AggregateDeps,
  { peer, args }: { readonly peer: PeerId; readonly args: Wanted },
  signal: AbortSignal,
): Promise<Said> {
  const { tool, service, path, timeout_ms: timeoutMs } = args
  const startedMs = clock.now()
  using deadline = clock.deadline(timeoutMs, signal)
  // A standard tool is asked where every node has it.
  const named = service ?? (isStandardTool(tool) ? STANDARD_SERVICE : undefined)
  const call = { tool, args: args.arguments as JsonObject, signal: deadline.signal }
  const ms = () => Math.round(clock.now() - startedMs)
  try {
    const result = await callPeer(peer, { ...call, ...(named !== undefined && { service: named }) })
    const text = textOf(result)
    if (result.isError === true) return failure(peer, codeIn(text), text, ms())
    const value = counted(result, text, path)
    if (value !== undefined) return { peer, value, ms: ms() }
    return failure(peer, 'NODE_TOOL_ARGUMENT', `its answer has nothing at "${path ?? ''}"`, ms())
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'MCP_INTERNAL'
    return failure(peer, code, error instanceof Error ? error.message : String(error), ms())
  }
}

function failure(peer: PeerId, code: string, reason: string, ms: number): Said {
  return { peer, code, reason: reason.slice(0, 512), ms }
}

function counted(
  { structuredContent }: ToolResult,
  text: string,
  path: string | undefined,
): Json | undefined {
  const whole: Json = structuredContent ?? text.slice(0, VALUE_CHARS_MAX)
  return path === undefined ? whole : valueAtPath(whole, path)
}

async function combine(
  { router }: AggregateDeps,
  { args, answers }: { readonly args: Wanted; readonly answers: readonly Answer[] },
  { signal }: ToolContext,
): Promise<Combined> {
  const { combine: how, combiner } = args
  if (how === 'vote') return vote(answers)
  if (how === 'mean') return mean(answers)
  if (how === 'first') return first(answers)
  if (how === 'all' || combiner === undefined || answers.length === 0) return all(answers)
  const { tool, service, peer } = combiner
  const given = { answers: answers.map(({ peer: who, value }) => ({ peer: who, value })) }
  const result = await router.call(tool, given, {
    signal,
    ...(service !== undefined && { service }),
    ...(peer !== undefined && { peer: peerId(peer) }),
  })
  const text = textOf(result)
  const agreed = answers.map(({ peer: who }) => who)
  if (result.isError === true) {
    return { value: null, decided: false, agreed, dissent: [], note: text.slice(0, 512) }
  }
  const value: Json = result.structuredContent ?? text.slice(0, VALUE_CHARS_MAX)
  return { value, decided: true, agreed, dissent: [], note: null }
}
