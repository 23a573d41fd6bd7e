/**
 * Makes a failing run smaller: first fewer faults (delta debugging: Zeller and Hildebrandt,
 * "Simplifying and isolating failure-inducing input", 2002), then fewer nodes by halves, then no
 * attackers. Each try is a whole run, so their number is bounded.
 */

import type { Run } from './result.ts'

const TRIES_MAX = 40
const NODES_MIN = 3

/** The least run found that still fails; `fails` says whether one does. */
export async function shrink(
  run: Run,
  fails: (run: Run) => Promise<boolean>,
  log: (line: string) => void,
): Promise<Run> {
  let tries = 0
  const still = async (one: Run): Promise<boolean> => {
    if (tries >= TRIES_MAX) return false
    tries += 1
    const failed = await fails(one)
    log(`${one.nodes ?? '?'} nodes, ${one.faults?.length ?? 0} faults: ${failed ? 'fails' : 'ok'}`)
    return failed
  }
  const fewer = await fewerFaults(run, still)
  const small = await fewerNodes(fewer, still)
  if ((small.adversaries ?? 0) === 0) return small
  const alone = { ...small, adversaries: 0 }
  return (await still(alone)) ? alone : small
}

type Still = (run: Run) => Promise<boolean>

/** Leaves out a part of the faults at a time, large parts first. */
async function fewerFaults(run: Run, still: Still): Promise<Run> {
  let faults = run.faults ?? []
  for (let size = Math.ceil(faults.length / 2); size >= 1; ) {
    let left = false
    for (let at = 0; at < faults.length; ) {
      const without = faults.toSpliced(at, size)
      if (await still({ ...run, faults: without })) {
        faults = without
        left = true
      } else at += size
    }
    if (size === 1 && !left) break
    size = size === 1 ? 1 : Math.ceil(size / 2)
  }
  return run.faults === undefined ? run : { ...run, faults }
}

async function fewerNodes(run: Run, still: Still): Promise<Run> {
  let { nodes } = run
  if (nodes === undefined) return run
  for (let step = Math.floor(nodes / 2); step >= 1; ) {
    const less: number = nodes - step
    if (less >= NODES_MIN && (await still({ ...run, nodes: less }))) nodes = less
    else step = Math.floor(step / 2)
  }
  return { ...run, nodes }
}
