/** The bench `mcp-discovery`: finding a tool by name, by tag and by words among many services. */

import { setTimeout as wait } from 'node:timers/promises'
import { quantile } from './dht-network.ts'
import type { Bench, Measured, Metric, Run } from './harness.ts'
import type { WorkerProcess } from './harness-process.ts'

const SIDE = new URL('./sides/discovery-side.ts', import.meta.url)
const PROCESSES = 2
const FULL = { nodes: 100, services: 10, searches: 300 }
const SHORT = { nodes: 10, services: 3, searches: 20 }
/** On a machine with other work to do; a quiet one takes a minute. */
const PUBLISH_CAP_MS = 1_200_000
const POLL_MS = 200
const PROGRESS_MS = 15_000

/** What a process has still to write: nodes that are not done, and writes that are. */
interface Written {
  readonly nodes: number
  readonly writes: number
}

interface Found {
  readonly times: readonly number[]
  readonly failed: number
}

async function measure(run: Run): Promise<Measured> {
  const { nodes, services, searches } = run.short ? SHORT : FULL
  const workers = await Promise.all(Array.from({ length: PROCESSES }, () => run.start(SIDE)))
  const forming = performance.now()
  await form(workers, nodes)
  const formed = Math.round((performance.now() - forming) / 1_000)
  process.stderr.write(`mcp-discovery: ${nodes} nodes formed in ${formed} s\n`)
  const each = nodes / PROCESSES
  const began = performance.now()
  await Promise.all(
    workers.map((worker, i) => worker.call('publish', { first: i * each, services })),
  )
  await allPublished(workers, nodes)
  const published = (performance.now() - began) / 1_000
  const total = nodes * services
  process.stderr.write(`mcp-discovery: ${total} services on ${nodes} nodes are published\n`)
  const [byTool, byTag] = [
    await findAll(workers, { by: 'tool', searches, total }),
    await findAll(workers, { by: 'tag', searches, total }),
  ]
  const [first] = workers
  // One peer is heard of 32 services at most, so the index of one process is given fewer.
  const heard = Math.min(total, each * services)
  const byText = await first?.call<Found>('search', { services: heard, count: searches })
  return {
    ...costOf('tool', byTool),
    ...costOf('tag', byTag),
    ...costOf('text', byText ?? { times: [], failed: 1 }),
    published,
  }
}

/** Says now and then how far it is: on a busy machine it takes many minutes. */
async function allPublished(workers: readonly WorkerProcess[], nodes: number): Promise<void> {
  const began = performance.now()
  let said = began
  for (;;) {
    const counts = await Promise.all(workers.map((worker) => worker.call<Written>('unpublished')))
    const left = counts.reduce((sum, { nodes: count }) => sum + count, 0)
    if (left === 0) return
    const now = performance.now()
    if (now - began > PUBLISH_CAP_MS) throw new TypeError('not all was published in time')
    if (now - said >= PROGRESS_MS) {
      said = now
      const writes = counts.reduce((sum, { writes: count }) => sum + count, 0)
      const seconds = Math.round((now - began) / 1_000)
      const done = `${nodes - left} of ${nodes} nodes published`
      process.stderr.write(`mcp-discovery: ${done}, ${writes} writes in ${seconds} s\n`)
    }
    await wait(POLL_MS)
  }
}

async function form(workers: readonly WorkerProcess[], nodes: number): Promise<void> {
  const [first, ...others] = workers
  const entry = (await first?.call<string>('begin')) ?? ''
  const more = await Promise.all(others.map((worker) => worker.call<string>('begin', { entry })))
  const params = { count: nodes / workers.length, entries: [entry, ...more] }
  await Promise.all(workers.map((worker) => worker.call('form', params)))
}

/** Each process looks for what the others offer as well; the searches follow one another. */
async function findAll(
  workers: readonly WorkerProcess[],
  { by, searches, total }: { by: 'tool' | 'tag'; searches: number; total: number },
): Promise<Found> {
  const all: Found[] = []
  for (const [at, worker] of workers.entries()) {
    const count = Math.ceil(searches / workers.length)
    const numbers = Array.from({ length: count }, (_, i) => ((i * workers.length + at) * 7) % total)
    all.push(await worker.call<Found>('find', { numbers, by }))
  }
  return {
    times: all.flatMap(({ times }) => times),
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
  }
}

function costOf(kind: string, { times, failed }: Found): Measured {
  return {
    [`${kind}P50`]: quantile(times, 0.5),
    [`${kind}P99`]: quantile(times, 0.99),
    [`${kind}Failed`]: failed,
  }
}

const ms: Metric = { unit: 'ms', better: 'lower' }
const missed: Metric = { unit: 'searches that did not find it', better: 'lower' }

export const bench: Bench = {
  name: 'mcp-discovery',
  what:
    'Finding one tool among 1,000 services on 100 nodes of the bench `dht` (ten services with a ' +
    'tool each), by its name and by a tag, one search after the other from changing nodes.',
  packages: ['libp2p'],
  metrics: {
    toolP50: ms,
    toolP99: ms,
    toolFailed: missed,
    tagP50: ms,
    tagP99: ms,
    tagFailed: missed,
    textP50: ms,
    textP99: ms,
    textFailed: missed,
    published: { unit: 's until all is published', better: 'lower' },
  },
  ours: measure,
  peers: {},
  ratios: {},
  goals: {
    'ours.toolP99': { atMost: 500 },
    'ours.tagP99': { atMost: 500 },
    'ours.toolFailed': { atMost: 0 },
  },
  notes: [
    'A search by name takes a lookup of the providers, the index of the one peer that has it, and ' +
      'the records of all its ten services; one by tag the same for each of ten peers. Nothing is ' +
      'kept from one search to the next.',
    'A search for words asks nobody: it is over what was heard, here of 500 services.',
    'With --short: 10 nodes with three services each.',
  ],
}
