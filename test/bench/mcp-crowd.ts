/**
 * A thousand calls at once from ten peers, alone and beside a tool that is stuck, a result of 64 MiB
 * and a peer that never reads: what it costs the other calls, and the memory of the node that serves.
 * `npm run bench -- mcp-crowd`; once, with more rounds: `npm run bench:mcp-crowd`.
 */

import type { Bench, Measured, Run } from './harness.ts'
import { WorkerProcess } from './harness-process.ts'

const SIDE = new URL('./mcp-crowd-side.ts', import.meta.url)

export const bench: Bench = {
  name: 'mcp-crowd',
  what:
    'A thousand calls at once from ten peers to one node, beside a tool that is stuck, a result of ' +
    '64 MiB and a peer that never reads; against the same calls without those three.',
  packages: ['libp2p', '@chainsafe/libp2p-quic'],
  metrics: {
    p50: { unit: 'ms', better: 'lower' },
    p99: { unit: 'ms', better: 'lower' },
    failed: { unit: 'calls', better: 'lower' },
    peak: { unit: 'MiB, of the node that serves', better: 'lower' },
  },
  ours: async (run) => {
    const { beside, calleePeakMib } = await reportOf(run)
    return measured(beside, calleePeakMib.beside)
  },
  peers: {
    alone: async (run) => {
      const { alone, calleePeakMib } = await reportOf(run)
      return measured(alone, calleePeakMib.alone)
    },
  },
  ratios: { p50: ['p50', 'alone.p50'], p99: ['p99', 'alone.p99'] },
  goals: { 'ratio.p99': { atLeast: 0.5 }, 'ours.failed': { atMost: 0 } },
  notes: [
    'Both columns are of our node, measured one after the other in one run: half of the ratio is ' +
      'twice the time. Each is the middle of five crowds, of one in the short form. The callers are ' +
      'granted, because a stranger may make 100 calls a second.',
  ],
}

/** Measured once a round, for both columns. */
let last: { readonly round: number; readonly report: CrowdReport } | undefined

async function reportOf({ round, short }: Run): Promise<CrowdReport> {
  if (last?.round === round) return last.report
  const report = await measureCrowd({ ...FULL, rounds: short ? 1 : FULL_ROUNDS })
  last = { round, report }
  return report
}

function measured({ p50, p99, failed }: Crowd, peak: number): Measured {
  return { p50, p99, failed, peak }
}

const FULL_ROUNDS = 5

export interface CrowdSize {
  readonly processes: number
  readonly peersEach: number
  readonly callsEach: number
  readonly rounds: number
}

export const FULL: CrowdSize = { processes: 2, peersEach: 5, callsEach: 100, rounds: 15 }
export const SMALL: CrowdSize = { processes: 1, peersEach: 4, callsEach: 50, rounds: 1 }

interface Crowd {
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly answered: number
  readonly failed: number
  readonly failure?: string | undefined
}

export interface CrowdReport {
  readonly alone: Crowd
  readonly beside: Crowd
  readonly ratioP99: number
  readonly longChars: number
  readonly calleePeakMib: { readonly alone: number; readonly beside: number }
}

export async function measureCrowd(size: CrowdSize): Promise<CrowdReport> {
  await using workers = new AsyncDisposableStack()
  const worker = async () => {
    const made = workers.use(new WorkerProcess(SIDE, {}))
    await made.ready
    return made
  }
  const callers: WorkerProcess[] = []
  const granted: string[] = []
  for (let i = 0; i < size.processes; i += 1) {
    const caller = await worker()
    granted.push(...(await caller.call<string[]>('callers', { count: size.peersEach })))
    callers.push(caller)
  }
  const callee = await worker()
  const place = await callee.call<{ address: string }>('serve', { granted })
  for (const caller of callers) await caller.call('join', place)
  const crowd = () => rounds(callers, size)
  const peak = async () => (await callee.call<{ peakMib: number }>('memory')).peakMib
  await crowd()
  const alone = await crowd()
  const peakAlone = await peak()
  const stuckEach = Math.ceil(size.callsEach / 10)
  for (const caller of callers) await caller.call('stick', { each: stuckEach })
  // What its own caller spends on a long result is not what the others wait for.
  const other = await worker()
  await other.call('callers', { count: 1 })
  await other.call('join', place)
  await other.call('mute', { ...place, calls: 64 })
  const long = other.call<number>('long')
  const beside = await crowd()
  const longChars = await long
  return {
    alone,
    beside,
    ratioP99: beside.p99 / alone.p99,
    longChars,
    calleePeakMib: { alone: peakAlone, beside: await peak() },
  }
}

/** Medians over the rounds, each of which is a crowd of its own. */
async function rounds(callers: readonly WorkerProcess[], size: CrowdSize): Promise<Crowd> {
  const each = { each: size.callsEach }
  const found: Crowd[] = []
  for (let round = 0; round < size.rounds; round += 1) {
    const parts = await Promise.all(
      callers.map((caller) =>
        caller.call<{ times: number[]; failed: number; failure?: string }>('crowd', each),
      ),
    )
    const times = parts.flatMap((part) => part.times).sort((a, b) => a - b)
    const at = (share: number) => times[Math.floor((times.length - 1) * share)] ?? Number.NaN
    found.push({
      p50: at(0.5),
      p99: at(0.99),
      max: at(1),
      answered: times.length,
      failed: parts.reduce((sum, { failed }) => sum + failed, 0),
      failure: parts.find(({ failure }) => failure !== undefined)?.failure,
    })
  }
  const middle = found.toSorted((a, b) => a.p99 - b.p99)[found.length >> 1]
  if (middle === undefined) throw new TypeError('no rounds')
  const answered = found.reduce((sum, crowd) => sum + crowd.answered, 0)
  const failed = found.reduce((sum, crowd) => sum + crowd.failed, 0)
  const failure = found.find((crowd) => crowd.failure !== undefined)?.failure
  return { ...middle, answered, failed, failure }
}

if (import.meta.main) {
  const report = await measureCrowd(process.argv.includes('--small') ? SMALL : FULL)
  const rounded = (_: string, value: unknown) => {
    return typeof value === 'number' ? Math.round(value * 100) / 100 : value
  }
  process.stdout.write(`${JSON.stringify({ name: 'mcp-crowd', ...report }, rounded)}\n`)
}
