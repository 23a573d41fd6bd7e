/**
 * The bench `dht`: a network of real nodes on loopback, in a few processes; how long it takes to
 * form, what it takes when idle, and what putting, getting and finding cost in it.
 */

import { measureNetwork, quantile, type SideName } from './dht-network.ts'
import { type Bench, type Goal, type Measured, type Metric, type Run, round3 } from './harness.ts'

const WORK = new URL('./sides/dht-work.ts', import.meta.url)
const SIZES = ['small', 'middle', 'large'] as const
type Size = (typeof SIZES)[number]

const FULL: Readonly<Record<Size, number>> = { small: 100, middle: 300, large: 1_000 }
const SHORT: Readonly<Record<Size, number>> = { small: 10, middle: 30, large: 60 }
const OPERATIONS = ['put', 'get', 'provide', 'find'] as const

/** How often each operation is done: stock kad-dht takes seconds for one. */
function operationsOf(run: Run, side: SideName, size: Size): number {
  if (run.short) return side === 'stock' ? 4 : 20
  if (side === 'stock') return size === 'small' ? 30 : 10
  return 200
}

async function measure(run: Run, side: SideName): Promise<Measured> {
  const measured: Record<string, number> = side === 'ours' ? await work(run) : {}
  for (const size of SIZES) {
    if (side === 'stock' && size === 'large') {
      process.stderr.write('dht: stock is not run with so many nodes\n')
      continue
    }
    const nodes = (run.short ? SHORT : FULL)[size]
    const operations = operationsOf(run, side, size)
    const watched = run.short
      ? { settleMs: 3_000, idleMs: 3_000 }
      : { settleMs: 30_000, idleMs: 10_000 }
    const found = await measureNetwork(run, side, { nodes, operations, ...watched })
    process.stderr.write(`dht: ${side} with ${nodes} nodes is done\n`)
    for (const [metric, value] of Object.entries(found)) measured[`${size}_${metric}`] = value
  }
  return measured
}

async function work(run: Run): Promise<Measured> {
  await using worker = await run.start(WORK)
  const times = await worker.call<number[]>('solve', { bits: 12, count: run.short ? 50 : 500 })
  return { work12P50: quantile(times, 0.5), work12P99: quantile(times, 0.99) }
}

const ms: Metric = { unit: 'ms', better: 'lower' }
const perOperation: Readonly<Record<string, Metric>> = Object.fromEntries(
  OPERATIONS.flatMap((kind) => [
    [`${kind}P50`, ms],
    [`${kind}P99`, ms],
    [`${kind}Questions`, { unit: 'questions', better: 'lower' }],
    [`${kind}Kb`, { unit: 'KB on loopback', better: 'lower' }],
    [`${kind}Failed`, { unit: 'operations', better: 'lower' }],
  ]),
)
const perSize: Readonly<Record<string, Metric>> = {
  formation: { unit: 's', better: 'lower' },
  neighbours: { unit: '% of the true closest found', better: 'higher' },
  misplaced: { unit: 'nodes when the time was up', better: 'lower' },
  ...perOperation,
  rss: { unit: 'MiB a node', better: 'lower' },
  idleCpu: { unit: '% of a core, all nodes', better: 'lower' },
  idleQuestions: { unit: 'questions a second and node', better: 'lower' },
}

function bySize<T>(make: (size: Size) => Readonly<Record<string, T>>): Record<string, T> {
  const all: Record<string, T> = {}
  for (const size of SIZES) Object.assign(all, prefixed(size, make(size)))
  return all
}

function prefixed<T>(size: Size, all: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [`${size}_${name}`, value]))
}

const ratios = (peer: SideName, kinds: readonly string[]) => (size: Size) =>
  Object.fromEntries(
    kinds.map((kind) => {
      return [`${peer}_${kind}`, [`${size}_${kind}`, `${peer}.${size}_${kind}`] as const]
    }),
  )

const AGAINST_HYPERDHT = ['putP50', 'getP50', 'provideP50', 'findP50', 'formation']
const AGAINST_STOCK = ['putP50', 'getP50', 'findP50']
const [hyperdht, stock] = [ratios('hyperdht', AGAINST_HYPERDHT), ratios('stock', AGAINST_STOCK)]

/** What the issue asks for: within three times HyperDHT, and twenty times faster than stock. */
const goalsOf = (size: Size): Readonly<Record<string, Goal>> => ({
  ...Object.fromEntries(
    AGAINST_HYPERDHT.map((kind) => {
      const share = kind === 'formation' ? 5 : 3
      return [`ratio.${size}_hyperdht_${kind}`, { atLeast: round3(1 / share) }]
    }),
  ),
  [`ours.${size}_rss`]: { atMost: 1 },
})

export const bench: Bench = {
  name: 'dht',
  what:
    'Networks of 100, 300 and 1,000 real nodes on loopback (small, middle, large) in a few ' +
    'processes: forming, being idle, and one operation after the other from changing nodes.',
  packages: ['libp2p', '@libp2p/tcp', '@libp2p/kad-dht', 'hyperdht'],
  metrics: { work12P50: ms, work12P99: ms, ...bySize(() => perSize) },
  ours: (run) => measure(run, 'ours'),
  peers: {
    hyperdht: (run) => measure(run, 'hyperdht'),
    stock: (run) => measure(run, 'stock'),
  },
  ratios: {
    ...bySize(hyperdht),
    ...prefixed('middle', stock('middle')),
  },
  goals: {
    ...goalsOf('small'),
    ...goalsOf('middle'),
    ...goalsOf('large'),
    ...Object.fromEntries(
      AGAINST_STOCK.map((kind) => [`ratio.middle_stock_${kind}`, { atLeast: 20 }]),
    ),
    'ours.small_idleCpu': { atMost: 5 },
  },
  notes: [
    'Small, middle and large are 100, 300 and 1,000 nodes (10, 30 and 60 with --short), 250 to a ' +
      'process and at least two processes; stock kad-dht is not run with more than 300.',
    'Ours are the rooms identity, access, net (TCP on loopback) and dht with its datagram face, as ' +
      'a node composes them, values in memory, quotas as by default; for all comes from one ' +
      'address, limits on connections from one address are raised, as they are for stock. Ours and ' +
      'HyperDHT join by datagram; a whole node of ours also connects to its first peers, which is ' +
      'another 20 ms of a core for each.',
    'Ours puts records signed and numbered, without proof of work: that is measured apart (work12, ' +
      '12 bits). HyperDHT puts mutable values (signed, numbered) and its get ends with the first ' +
      'that verifies; ours ends when four peers hold the newest; stock puts what nobody signed ' +
      'and its get ends with the first.',
    'Formation begins with the first node and ends when every node, looking for itself, has found ' +
      'its true neighbours: of the nearest 19 all with ours, 15 with the others, which never find ' +
      'some (neighbours says how many were found). After five minutes it is cut off, and ' +
      'misplaced says how many nodes were not there. Four nodes of each process join at a time.',
    'Idle is measured half a minute after the network has formed, for ten seconds; memory is what ' +
      'the processes grew by, garbage collected, over the number of nodes. V8 may take 8 MiB for ' +
      'each half of the young generation (of all sides): it would take 32, which says nothing of ' +
      'the nodes.',
    'Operations follow one another, each from another node; stock does 30 of each (small) and 10 ' +
      '(middle), so that its p99 is its slowest. KB is what went over loopback, headers and ' +
      'acknowledgements with it, less what an idle network sends.',
  ],
}
