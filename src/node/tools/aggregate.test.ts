import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { silentLog } from '../../base/index.ts'
import { type PeerId, signerFromSeed } from '../../identity/index.ts'
import type { ToolArgs, ToolResult } from '../../mcp/index.ts'
import { CALL_MS_MAX } from '../check-args.ts'
import { ToolsError } from '../tools-errors.ts'
import { aggregateResults } from './aggregate.ts'

const PEERS = [1, 2, 3, 4, 5].map((n) => signerFromSeed(new Uint8Array(32).fill(n)).peer)
const [SELF, ALICE, BOB, CAROL] = PEERS as [PeerId, PeerId, PeerId, PeerId]

const WRONG = { tool: 'broken', argument: 'a', found: 'b', wanted: 'c' }

type Answer = (signal: AbortSignal) => Promise<ToolResult> | ToolResult

const says = (n: number): Answer => {
  return () => ({ content: [{ type: 'text', text: String(n) }], structuredContent: { n } })
}
const hangs: Answer = (signal) =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })

/** The tool before peers that answer as told; `found` are those that the directory knows. */
function setup(answers: ReadonlyMap<PeerId, Answer>, found: readonly PeerId[] = []) {
  const clock = new FakeClock()
  const entries = found.map((peer) => {
    return { service: 's', tool: 't', peer, description: '', idempotent: true }
  })
  const asked: PeerId[] = []
  const combined: (PeerId | undefined)[] = []
  const times: (number | undefined)[] = []
  const tool = aggregateResults({
    clock,
    host: { self: SELF },
    directory: {
      lookup: async () => ({ entries, services: [], asked: 1, failed: [], cached: false }),
    },
    router: {
      call: async (name, args, options) => {
        combined.push(options?.peer)
        times.push(options?.timeoutMs)
        if (name === 'broken') throw ToolsError.TOOL_ARGUMENT(WRONG)
        const { answers: given } = args as { answers: { value: { n: number } }[] }
        const n = given.reduce((sum, { value }) => sum + value.n, 0)
        return { content: [], structuredContent: { n }, peer: SELF, attempts: [] }
      },
    },
    callPeer: async (peer, { signal, timeoutMs }) => {
      asked.push(peer)
      times.push(timeoutMs)
      const answer = answers.get(peer)
      assert.ok(answer !== undefined)
      return answer(signal)
    },
  })
  const run = async (args: ToolArgs, caller: PeerId | null = null) => {
    const { signal } = new AbortController()
    const context = { caller, signal, log: silentLog, correlationId: 'c' }
    const result = await tool.run({ tool: 't', ...args }, context)
    const text = JSON.stringify(result.content)
    return { value: result.structuredContent as Record<string, unknown>, text, result }
  }
  return { run, clock, asked, combined, times }
}

test('a liar is outvoted and named, and who is silent is told with the reason', async () => {
  const answers = new Map([
    [ALICE, says(1)],
    [BOB, says(1)],
    [CAROL, says(2)],
    [PEERS[4] ?? SELF, hangs],
  ])
  const { run, clock } = setup(answers)
  const running = run({ peers: [...answers.keys()], path: 'n', timeout_ms: 1_000 })
  await clock.advance(1_000)
  const { value } = await running
  assert.deepEqual([value.value, value.agreed, value.dissent], [1, [ALICE, BOB], [CAROL]])
  const [failed] = value.failed as { peer: string; code: string }[]
  assert.deepEqual([failed?.peer, failed?.code], [PEERS[4], 'BASE_DEADLINE'])
})

test('the first answer ends the others', async () => {
  const { run } = setup(
    new Map([
      [ALICE, hangs],
      [BOB, says(7)],
    ]),
  )
  const { value } = await run({ peers: [ALICE, BOB], combine: 'first', path: 'n' })
  assert.deepEqual([value.value, value.agreed, value.failed], [7, [BOB], []])
})

test('a tool of the caller combines what there is', async () => {
  const { run } = setup(
    new Map([
      [ALICE, says(2)],
      [BOB, says(40)],
    ]),
  )
  const { value } = await run({ peers: [ALICE, BOB], combine: 'tool', combiner: { tool: 'sum' } })
  assert.deepEqual(value.value, { n: 42 })
})

test('a combiner without a peer is one of this node, never that of whoever offers the name', async () => {
  const { run, combined } = setup(new Map([[ALICE, says(2)]]))
  await run({ peers: [ALICE], combine: 'tool', combiner: { tool: 'sum' } })
  await run({ peers: [ALICE], combine: 'tool', combiner: { tool: 'sum', peer: BOB } })
  assert.deepEqual(combined, [SELF, BOB])
})

test('each peer has the time that was asked for, the combiner what is left of the call', async () => {
  const { run, times } = setup(new Map([[ALICE, says(2)]]))
  const combiner = { combine: 'tool', combiner: { tool: 'sum' } } as const
  await run({ peers: [ALICE], timeout_ms: 600_000, ...combiner })
  assert.deepEqual(times, [600_000, CALL_MS_MAX])
})

test('a combiner that fails takes no answer with it', async () => {
  const { run } = setup(new Map([[ALICE, says(2)]]))
  const { value } = await run({ peers: [ALICE], combine: 'tool', combiner: { tool: 'broken' } })
  assert.deepEqual([value.value, value.decided], [null, false])
  assert.match(String(value.note), /NODE_TOOL_ARGUMENT/)
  assert.deepEqual((value.answers as { value: unknown }[])[0]?.value, { n: 2 })
})

test('an answer too long to be compared is a failure, and never counts as another one', async () => {
  const start = 'a'.repeat(70_000)
  const text = (end: string): Answer => {
    return () => ({ content: [{ type: 'text', text: start + end }] })
  }
  const large: Answer = () => ({ content: [], structuredContent: { text: start } })
  const answers = new Map([
    [ALICE, text('yes')],
    [BOB, text('no')],
    [CAROL, large],
  ])
  const { run } = setup(answers)
  const { value } = await run({ peers: [...answers.keys()] })
  assert.deepEqual([value.value, value.decided], [null, false])
  const failed = value.failed as { code: string; reason: string }[]
  assert.deepEqual(new Set(failed.map(({ code }) => code)), new Set(['NODE_ANSWER_TOO_LONG']))
  assert.match(failed[0]?.reason ?? '', /70.*characters.*65536.*path/)
  const part = await run({ peers: [CAROL], path: 'text' })
  assert.equal((part.value.failed as unknown[]).length, 1, 'the part that counts is measured')
})

test('few who answer of many who were asked decide nothing unsaid', async () => {
  const failing: Answer = () => ({ content: [{ type: 'text', text: 'no' }], isError: true })
  const answers = new Map([
    [ALICE, says(666)],
    [BOB, failing],
    [CAROL, failing],
  ])
  const peers = [...answers.keys()]
  for (const combine of ['vote', 'mean', 'all', 'tool'] as const) {
    const combiner = combine === 'tool' ? { combiner: { tool: 'sum' } } : {}
    const path = combine === 'tool' ? {} : { path: 'n' }
    const { value } = await setup(answers).run({ peers, combine, ...path, ...combiner })
    assert.match(String(value.note), /1 of 3 that were asked/, combine)
  }
})

test('what peers say of their failures cannot act on a terminal or hide from a reader', async () => {
  const failing: Answer = () => {
    return { content: [{ type: 'text', text: 'no\u001b[2J\u202eevil\u{e0041}' }], isError: true }
  }
  const { run } = setup(new Map([[ALICE, failing]]))
  const { value } = await run({ peers: [ALICE] })
  assert.equal((value.failed as { reason: string }[])[0]?.reason, 'no[2Jevil')
})

test('without peers those are asked that offer it, and nobody is invented', async () => {
  const { run, asked } = setup(
    new Map([
      [ALICE, says(1)],
      [BOB, says(1)],
    ]),
    [ALICE, BOB, CAROL],
  )
  await run({ count: 2 })
  assert.deepEqual(asked, [ALICE, BOB])
  assert.match((await setup(new Map()).run({})).text, /offered by no peer that was found/)
})

test('nobody makes this node call its own tools as its operator, or call without end', async () => {
  const { run, asked } = setup(
    new Map([
      [SELF, says(1)],
      [ALICE, says(1)],
    ]),
    [SELF, ALICE],
  )
  assert.match((await run({ peers: [SELF] }, ALICE)).text, /this node itself/)
  const combiner = { combine: 'tool', combiner: { tool: 'configure' } } as const
  assert.match((await run({ peers: [BOB], ...combiner }, ALICE)).text, /a tool of this node/)
  await run({ count: 5 }, ALICE)
  assert.deepEqual(asked, [ALICE], 'what was found leaves this node out as well')
  assert.match((await run({ tool: 'aggregate_results', peers: [BOB] })).text, /many itself/)
  assert.match((await run({ peers: [BOB], combine: 'tool' })).text, /combiner is missing/)
  const many = Array.from({ length: 33 }, () => ALICE)
  assert.equal((await run({ peers: many })).result.isError, true)
})
