import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bench, type Measured, meets, runBench, summary, valueAt } from './harness.ts'
import { pageOf, tableOf } from './report.ts'

const WORKER = new URL('./harness-echo-worker.ts', import.meta.url)

function benchOf(given: Partial<Bench> = {}): Bench {
  return {
    name: 'made-up',
    what: 'Something that nobody measures.',
    packages: ['libp2p'],
    metrics: {
      rate: { unit: 'calls/s', better: 'higher' },
      time: { unit: 'ms', better: 'lower' },
    },
    ours: async () => ({ rate: 10, time: 2 }),
    peers: { other: async () => ({ rate: 5, time: 3 }) },
    ratios: { rate: ['rate', 'other.rate'], time: ['time', 'other.time'] },
    goals: { 'ratio.rate': { atLeast: 2 }, 'ours.time': { atMost: 1 } },
    ...given,
  }
}

const quiet = { short: true, rounds: 2, progress: () => {} }

test('the sides take turns, and a ratio above 1 means that ours is better', async () => {
  const turns: string[] = []
  const side = (name: string, measured: Measured) => async () => {
    turns.push(name)
    return measured
  }
  const bench = benchOf({
    ours: side('ours', { rate: 10, time: 2 }),
    peers: { other: side('other', { rate: 5, time: 3 }) },
  })
  const result = await runBench(bench, quiet)
  assert.deepEqual(turns, ['ours', 'other', 'ours', 'other'])
  assert.deepEqual(result.ratio, { rate: 2, time: 1.5 })
  assert.deepEqual(Object.keys(result), ['name', 'ours', 'peer', 'ratio', 'runs', 'machine'])
  assert.equal(result.runs, 2)
  assert.ok('libp2p' in result.machine.packages)
})

test('summary() gives least, median and greatest, also of an even number of rounds', () => {
  const rows = (times: number[]) => times.map((time) => ({ rate: 1, time }))
  const of = (times: number[]) => {
    const sides = new Map([
      ['ours', rows(times)],
      ['other', rows(times)],
    ])
    return summary(benchOf(), sides, times.length).ours.time
  }
  assert.deepEqual(of([3, 1, 2]), { min: 1, median: 2, max: 3 })
  assert.deepEqual(of([4, 1, 2, 3]), { min: 1, median: 2.5, max: 4 })
})

test('a bench that leaves out what it promises fails', async () => {
  const refused = (given: Partial<Bench>, reason: RegExp) =>
    assert.rejects(runBench(benchOf(given), quiet), reason)
  await refused({ ours: async () => ({ rate: 1 }) }, /time/)
  await refused({ ours: async () => ({ rate: 1, time: Number.NaN }) }, /NaN/)
  await refused({ ours: async () => ({ rate: 1, time: 1, odd: 1 }) }, /metrics\.odd/)
  await refused({ goals: { 'ratio.none': { atLeast: 1 } } }, /ratio\.none/)
  await refused({ peers: { other: async () => ({ rate: 5 }) } }, /other\.time/)
  let round = 0
  const sometimes = async () => ({ rate: 1, ...(round++ === 0 ? { time: 1 } : {}) })
  await refused({ ours: sometimes }, /not measured in every round/)
})

test('a worker answers, fails its calls with the reason, and ends with its round', async () => {
  const pids: number[] = []
  const bench = benchOf({
    ours: async (run) => {
      const worker = await run.start(WORKER)
      pids.push(worker.pid)
      assert.deepEqual(await worker.call('echo', { a: 1 }), { a: 1 })
      await assert.rejects(worker.call('fail'), /on purpose/)
      await assert.rejects(worker.call('none'), /no op "none"/)
      return { rate: 1, time: 1 }
    },
  })
  await runBench(bench, { ...quiet, rounds: 1 })
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/)
})

test('a worker that dies fails the call that waits for it', async () => {
  const bench = benchOf({
    ours: async (run) => {
      const worker = await run.start(WORKER)
      await worker.call('die')
      return { rate: 1, time: 1 }
    },
  })
  await assert.rejects(runBench(bench, quiet), /is gone: exit 3/)
})

test('the reports name each metric, ratio and goal, and whether it was met', async () => {
  const bench = benchOf()
  const result = await runBench(bench, quiet)
  assert.equal(valueAt(result, 'ours.time'), 2)
  assert.equal(meets(2, { atMost: 1 }), false)
  for (const text of [tableOf(bench, result), pageOf([{ bench, result }])]) {
    assert.match(text, /rate.*calls\/s.*10 \(10–10\).*5 \(5–5\)/)
    assert.match(text, /ratio\.time.*1\.5/)
    assert.match(text, /met.*ratio\.rate ≥ 2 \(is 2\)/i)
    assert.match(text, /missed.*ours\.time ≤ 1 \(is 2\)/i)
  }
})
