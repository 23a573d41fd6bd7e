/** One call to many peers, and their answers made into one. */

import { z } from 'zod'
import { type PeerId, peerId } from '../../identity/index.ts'
import {
  cleanText,
  type Directory,
  type Router,
  type Tool,
  type ToolContext,
  type ToolResult,
} from '../../mcp/index.ts'
import type { Host } from '../../net/index.ts'
import { CALL_MS_MAX } from '../check-args.ts'
import { ToolsError } from '../tools-errors.ts'
import { reasonOf, refuseLarge, textOf } from './answers.ts'
import { type AskDeps, askAll, counted, PEERS_MAX, REASON_CHARS_MAX } from './ask-many.ts'
import { type Answer, all, type Combined, first, mean, vote } from './combine.ts'
import { standardTool } from './define.ts'
import { peerText } from './texts.ts'

/** What the tool asks of the node. */
export interface AggregateDeps extends AskDeps {
  readonly directory: Pick<Directory, 'lookup'>
  readonly router: Pick<Router, 'call'>
  readonly host: Pick<Host, 'self'>
}

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
    .describe('For "tool": called with {answers: [{peer, value}]}, at this node unless peer says'),
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
  const combined = await combine(deps, { args, answers, asked: peers.length }, context)
  const { value, decided, agreed, dissent } = combined
  const few = fewNote(args, answers.length, peers.length)
  const note = [combined.note, few].filter((one) => one !== null).join('; ') || null
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

/** Who makes the others fail speaks alone: that is told wherever several were to answer. */
function fewNote({ combine: how }: Wanted, answered: number, asked: number): string | null {
  if (how === 'first' || how === 'vote' || 2 * answered > asked) return null
  return `only ${answered} of ${asked} that were asked gave an answer`
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

async function combine(
  deps: AggregateDeps,
  {
    args,
    answers,
    asked,
  }: { readonly args: Wanted; readonly answers: readonly Answer[]; readonly asked: number },
  { signal }: ToolContext,
): Promise<Combined> {
  const { combine: how, combiner } = args
  if (how === 'vote') return vote(answers, asked)
  if (how === 'mean') return mean(answers)
  if (how === 'first') return first(answers)
  if (how === 'all' || combiner === undefined || answers.length === 0) return all(answers)
  const agreed = answers.map(({ peer: who }) => who)
  const undecided = (text: string): Combined => {
    const note = `the combiner failed: ${cleanText(text, REASON_CHARS_MAX)}`
    return { value: null, decided: false, agreed: [], dissent: [], note }
  }
  try {
    const result = await combined(deps, { combiner, answers }, signal)
    const text = textOf(result)
    if (result.isError === true) return undecided(text)
    return {
      value: counted(result, text, undefined) ?? null,
      decided: true,
      agreed,
      dissent: [],
      note: null,
    }
  } catch (error) {
    signal.throwIfAborted()
    const { code, reason } = reasonOf(error)
    return undecided(`${code}: ${reason}`)
  }
}

/** Without a peer it is a tool of this node: a stranger's of the same name decides nothing. */
async function combined(
  { router, host }: AggregateDeps,
  {
    combiner,
    answers,
  }: {
    readonly combiner: NonNullable<Wanted['combiner']>
    readonly answers: readonly Answer[]
  },
  signal: AbortSignal,
): Promise<ToolResult> {
  const { tool, service, peer } = combiner
  const given = { answers: answers.map(({ peer: who, value }) => ({ peer: who, value })) }
  return router.call(tool, given, {
    signal,
    // As long as the call that it is part of, which `signal` ends.
    timeoutMs: CALL_MS_MAX,
    onlarge: refuseLarge,
    peer: peer === undefined ? host.self : peerId(peer),
    ...(service !== undefined && { service }),
  })
}
