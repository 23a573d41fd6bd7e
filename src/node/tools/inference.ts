/** The tools that run a model: here, or at another node. */

import { z } from 'zod'
import { type Clock, hasCode } from '../../base/index.ts'
import { type PeerId, peerId } from '../../identity/index.ts'
import {
  cleanText,
  type Directory,
  type Router,
  type Scores,
  type Tool,
  type ToolContext,
} from '../../mcp/index.ts'
import type { Host } from '../../net/index.ts'
import { CALL_MS_MAX } from '../check-args.ts'
import { ToolsError } from '../tools-errors.ts'
import { codeIn, reasonOf, refuseLarge, textOf } from './answers.ts'
import { standardTool } from './define.ts'
import type { Backend } from './inference/backend.ts'
import { choose, modelsOf } from './inference/backends.ts'
import {
  checkInference,
  type InferenceArgs,
  inferenceFields,
  inferenceOutput,
  requestOf,
} from './inference-args.ts'
import { STANDARD_SERVICE } from './names.ts'
import { textProgress } from './progress.ts'
import { peerText } from './texts.ts'

/** What the tools of inference ask of the node. */
export interface InferenceDeps {
  readonly backends: readonly Backend[]
  readonly directory: Pick<Directory, 'lookup'>
  readonly router: Pick<Router, 'call'>
  readonly scores: Pick<Scores, 'get'>
  readonly host: Pick<Host, 'self' | 'connections'>
  readonly clock: Clock
}

const LISTED_CHARS_MAX = 300
const PEERS_TRIED_MAX = 3

/** `models` are known when the tools are made: their list is part of the descriptor. */
export function runInference({ backends, clock }: InferenceDeps): Tool {
  const models = modelsOf(backends)
  return standardTool(
    'run_inference',
    {
      title: 'Run inference',
      description:
        `Runs a model of this node. ${listed(models)} Give a prompt, messages, or tensors for a ` +
        'model that takes numbers; text comes as progress while it is made.',
      readOnly: true,
      meta: { 'p2p-foundation/models': models.slice(0, 64) },
      input: z.strictObject({
        ...inferenceFields,
        backend: z.string().min(1).max(32).optional().describe('A back end of this node by name'),
      }),
      output: inferenceOutput,
    },
    async (args, context) => {
      checkInference('run_inference', args)
      const { model: wanted, backend: named, tensors } = args
      const takes = tensors === undefined ? 'messages' : 'tensors'
      const { backend, model } = choose(backends, { model: wanted, backend: named, takes })
      const startedMs = clock.now()
      const { onText, end } = textProgress(context.progress, clock)
      const { signal } = context
      const answer = await backend
        .run(requestOf(args, model), { signal, onText })
        .catch((error: unknown) => {
          throw asTold(error, context)
        })
      end()
      return { model, backend: backend.name, ...answer, ms: clock.now() - startedMs }
    },
  )
}

/** Where the servers and files of this node are is its owner's to know. */
function asTold(error: unknown, { caller, log }: ToolContext): unknown {
  if (caller === null || !hasCode(error, 'NODE_INFERENCE_UNAVAILABLE')) return error
  log.warn('inference unavailable', { error })
  const { backend } = error.facts as { readonly backend: string }
  const reason = 'it does not work there now'
  const remedy = 'The owner of the node is told why in its log; ask another peer meanwhile'
  return ToolsError.INFERENCE_UNAVAILABLE({ backend, reason, remedy })
}

function listed(models: readonly string[]): string {
  if (models.length === 0) return 'No model is known here now.'
  const names = models.join(', ')
  const cut = names.length > LISTED_CHARS_MAX ? `${names.slice(0, LISTED_CHARS_MAX)}…` : names
  return `Models: ${cut}.`
}

/** Another node must allow it: what it refuses is its own word. */
export function forwardToPeer(deps: InferenceDeps): Tool {
  return standardTool(
    'forward_to_peer',
    {
      title: 'Run inference at a peer',
      description:
        'Runs inference at another node: the one named in peer, or the best one that offers it ' +
        '(fewest failures, connected, fastest so far), and the next best where that one fails. ' +
        'The peer must have granted this node its run_inference; for a caller that is another ' +
        'node, it must have granted that to the caller, who hands it on to this node.',
      readOnly: true,
      input: z.strictObject({
        ...inferenceFields,
        peer: peerText.optional().describe('The peer to run it at; the best one, if left out'),
      }),
      output: inferenceOutput.extend({
        peer: z.string(),
        attempts: z.array(z.object({ peer: z.string(), code: z.string() })),
      }),
    },
    async ({ peer, ...args }, context) => {
      checkInference('forward_to_peer', args)
      const named = peer === undefined ? undefined : peerId(peer)
      const peers = named === undefined ? await bestPeers(deps, args.model, context) : [named]
      return forward(deps, { peers, args }, context)
    },
  )
}

async function forward(
  { router, host }: InferenceDeps,
  { peers, args }: { readonly peers: readonly PeerId[]; readonly args: InferenceArgs },
  { signal, progress }: ToolContext,
) {
  const attempts: { peer: PeerId; code: string }[] = []
  let last = 'nobody offers it'
  for (const peer of peers) {
    signal.throwIfAborted()
    if (peer === host.self) {
      const facts = {
        argument: 'peer',
        found: 'this node itself',
        wanted: 'another; or run_inference',
      }
      throw ToolsError.TOOL_ARGUMENT({ tool: 'forward_to_peer', ...facts })
    }
    try {
      const result = await router.call('run_inference', withoutUnset(args), {
        peer,
        service: STANDARD_SERVICE,
        signal,
        // As long as the call that it is part of, which `signal` ends.
        timeoutMs: CALL_MS_MAX,
        onlarge: refuseLarge,
        ...(progress && { onprogress: (step) => progress(step.progress, step.message) }),
      })
      const answer = inferenceOutput.safeParse(result.structuredContent)
      if (result.isError !== true && answer.success) {
        attempts.push({ peer, code: 'ok' })
        return { ...answer.data, peer, attempts }
      }
      last = result.isError === true ? textOf(result) : 'its answer is not what the tool says'
      attempts.push({ peer, code: result.isError === true ? codeIn(last) : NO_ANSWER })
    } catch (error) {
      signal.throwIfAborted()
      const { code, reason } = reasonOf(error)
      last = reason
      attempts.push({ peer, code })
    }
  }
  const tried = attempts.map(({ peer, code }) => `${peer}: ${code}`).join('; ')
  const reason = `${tried === '' ? 'no peer was tried' : tried} (${cleanText(last, 300)})`
  throw ToolsError.INFERENCE_FAILED({ backend: 'any peer', reason })
}

/** Fewest failures first, then who is connected, then who was fastest; unknown is in between. */
async function bestPeers(
  { directory, scores, host }: InferenceDeps,
  model: string | undefined,
  { signal }: ToolContext,
): Promise<readonly PeerId[]> {
  const query = { tool: 'run_inference', service: STANDARD_SERVICE }
  const { entries } = await directory.lookup(query, { signal })
  const open = new Set(host.connections().map(({ peer }) => peer))
  const ranked = entries
    .filter(({ peer }) => peer !== host.self)
    .map(({ peer, description }) => ({
      peer,
      // Its own word, and cut short: who does not name the model is asked last, not left out.
      lacks: model !== undefined && !description.includes(model) ? 1 : 0,
      failures: scores.get(peer)?.failures ?? 0,
      far: open.has(peer) ? 0 : 1,
      ms: scores.get(peer)?.latencyMs ?? UNKNOWN_MS,
    }))
    .sort((a, b) => a.lacks - b.lacks || a.failures - b.failures || a.far - b.far || a.ms - b.ms)
  if (ranked.length === 0) {
    const reason = 'no peer was found that offers run_inference'
    const remedy = 'Name one as peer, or connect to a network that has one'
    throw ToolsError.INFERENCE_UNAVAILABLE({ backend: 'any peer', reason, remedy })
  }
  return ranked.slice(0, PEERS_TRIED_MAX).map(({ peer }) => peer)
}

const UNKNOWN_MS = 1_000
/** Of a peer that answers with something else than an answer. */
const NO_ANSWER = 'NODE_INFERENCE_FAILED'

function withoutUnset(args: InferenceArgs) {
  return JSON.parse(JSON.stringify(args)) as Record<string, never>
}
