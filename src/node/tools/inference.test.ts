import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { silentLog } from '../../base/index.ts'
import { type PeerId, signerFromSeed } from '../../identity/index.ts'
import type { CallResult, OnLarge, Tool, ToolArgs } from '../../mcp/index.ts'
import { CALL_MS_MAX } from '../check-args.ts'
import { ToolsError } from '../tools-errors.ts'
import type { Backend } from './inference/backend.ts'
import { forwardToPeer, type InferenceDeps, runInference } from './inference.ts'

const PEERS = [1, 2, 3].map((n) => signerFromSeed(new Uint8Array(32).fill(n)).peer)
const [SELF, ALICE, BOB] = PEERS as [PeerId, PeerId, PeerId]
const GOOD = { model: 'm', backend: 'b', text: 'hello', finish: 'stop', ms: 1 }

type Says = Partial<CallResult> | Error

/** What the tools ask of the node, before peers that answer as told. */
function depsWith(answers: ReadonlyMap<PeerId, Says>, backends: readonly Backend[] = []) {
  const clock = new FakeClock()
  const entries = [...answers.keys()].map((peer) => {
    return { service: 'node', tool: 'run_inference', peer, description: '', idempotent: true }
  })
  const large: (OnLarge | undefined)[] = []
  const times: (number | undefined)[] = []
  const deps: InferenceDeps = {
    backends,
    clock,
    host: { self: SELF, connections: () => [] },
    scores: { get: () => undefined },
    directory: {
      lookup: async () => ({ entries, services: [], asked: 1, failed: [], cached: false }),
    },
    router: {
      call: async (_tool, _args, options) => {
        const { peer, onlarge, timeoutMs } = options ?? {}
        large.push(onlarge)
        times.push(timeoutMs)
        const said = answers.get(peer ?? SELF) ?? {}
        if (said instanceof Error) throw said
        return { content: [], peer: peer ?? SELF, attempts: [], ...said }
      },
    },
  }
  return { deps, large, times }
}

async function run(tool: Tool, args: ToolArgs, caller: PeerId | null = null) {
  const { signal } = new AbortController()
  const context = { caller, signal, log: silentLog, correlationId: 'c' }
  const result = await tool.run(args, context)
  const text = result.content.map((block) => String((block as { text?: unknown }).text)).join('')
  return { text, value: result.structuredContent as Record<string, unknown>, result }
}

function backendThat(fails: Error): Backend {
  return {
    name: 'house',
    kind: 'openai',
    models: ['m'],
    state: { state: 'active' },
    takes: 'messages',
    look: async () => undefined,
    run: async () => {
      throw fails
    },
    close: async () => undefined,
  }
}

test('a peer whose answer is none is passed over for the next, and named', async () => {
  const answers = new Map<PeerId, Says>([
    [ALICE, { structuredContent: { text: 7, model: 'm' } }],
    [BOB, { structuredContent: { ...GOOD, peer: 'somebody', extra: 'x' } }],
  ])
  const { value } = await run(forwardToPeer(depsWith(answers).deps), { prompt: 'x' })
  assert.deepEqual([value.text, value.peer, value.extra], ['hello', BOB, undefined])
  assert.deepEqual(value.attempts, [
    { peer: ALICE, code: 'NODE_INFERENCE_FAILED' },
    { peer: BOB, code: 'ok' },
  ])
})

test('what a peer says of its failure is cleaned before it is repeated', async () => {
  const text = 'NODE_X: no\u001b[2J\u202eevil'
  const answers = new Map<PeerId, Says>([
    [ALICE, { content: [{ type: 'text', text }], isError: true }],
  ])
  const { text: said } = await run(forwardToPeer(depsWith(answers).deps), { prompt: 'x' })
  assert.match(said, /^NODE_INFERENCE_FAILED: .*no\[2Jevil/)
})

test('no peer makes a forwarding node read a result above one frame', async () => {
  const { deps, large } = depsWith(new Map([[ALICE, { structuredContent: GOOD }]]))
  await run(forwardToPeer(deps), { prompt: 'x' })
  const parts = (async function* () {})()
  const result = { peer: ALICE, bytes: 1e8, sha256: '', parts }
  assert.throws(() => void large[0]?.(result), { code: 'NODE_ANSWER_TOO_LONG' })
})

test('a peer has as long as who asked for it, not the usual time of a call', async () => {
  const { deps, times } = depsWith(new Map([[ALICE, { structuredContent: GOOD }]]))
  await run(forwardToPeer(deps), { prompt: 'x' })
  assert.deepEqual(times, [CALL_MS_MAX])
})

test('a stranger is not told where the servers and files of this node are; its owner is', async () => {
  const facts = {
    backend: 'house',
    reason: 'its key is not there (file:/home/me/key)',
    remedy: 'Start the server at http://10.0.0.5:8080',
  }
  const { deps } = depsWith(new Map(), [backendThat(ToolsError.INFERENCE_UNAVAILABLE(facts))])
  const tool = runInference(deps)
  const { text: own } = await run(tool, { prompt: 'x' })
  assert.match(own, /file:\/home\/me\/key.*http:\/\/10\.0\.0\.5/)
  const { text: told } = await run(tool, { prompt: 'x' }, ALICE)
  assert.match(told, /^NODE_INFERENCE_UNAVAILABLE: .*"house"/)
  assert.doesNotMatch(told, /home|10\.0/)
})
