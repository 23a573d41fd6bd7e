/** One measurement for `plot.ts`, in a process of its own: prints one row as JSON. */

import { steady } from './cores/steady.ts'
import { runTrial } from './cores/trial.ts'
import type { LiarRow, SizeRow } from './page.ts'

const LOOKUPS = 1_000
const LOOKUPS_AMONG_LIARS = 300
const SAMPLE = 30
const LOOKUP_EVERY_MS = 60_000

const [what = '', asked = '{}'] = process.argv.slice(2)
const { seed, nodes, share } = JSON.parse(asked) as { seed: number; nodes: number; share: number }
const row = what === 'size' ? await sizeRow() : liarRow()
process.stdout.write(JSON.stringify(row))

async function sizeRow(): Promise<SizeRow> {
  // Code that is not compiled yet would make the first of the sizes look slow.
  runTrial({ seed, nodes: 300, lookups: LOOKUPS })
  const startedMs = performance.now()
  const { figures, entries } = runTrial({ seed, nodes, lookups: LOOKUPS })
  const wallS = (performance.now() - startedMs) / 1_000
  const rssMb = process.memoryUsage().rss / 2 ** 20
  // What else this machine does makes a run slower, never faster: the least is nearest the truth.
  const again = [1, 2].map(() => runTrial({ seed, nodes, lookups: LOOKUPS }).figures)
  const cpuMsPerLookup = Math.min(...[figures, ...again].map((one) => one.cpuMsPerLookup))
  const load = await steady({ seed, nodes, sample: SAMPLE, lookupEveryMs: LOOKUP_EVERY_MS })
  const { mean: entriesMean, max: entriesMax, bound: entriesBound } = entries
  const all = { nodes, ...figures, cpuMsPerLookup }
  return { ...all, entriesMean, entriesMax, entriesBound, ...load, rssMb, wallS }
}

function liarRow(): LiarRow {
  const base = { seed, nodes, adversaries: share, lookups: LOOKUPS_AMONG_LIARS }
  return {
    nodes,
    share,
    ours: runTrial({ ...base, lie: 'inventing' }).figures,
    stock: runTrial({ ...base, lie: 'inventing', paths: 'stock' }).figures,
    burned: runTrial({ ...base, lie: 'burning' }).figures,
    stockBurned: runTrial({ ...base, lie: 'burning', paths: 'stock' }).figures,
  }
}
