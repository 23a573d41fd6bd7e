/**
 * What a node heard on topics, kept by its host as a disk would keep it: it outlives the node, and
 * a machine that is down writes nothing. Simulated nodes have no files, and without this a restart
 * would make old messages new.
 */

import type { Clock } from '../base/index.ts'
import type { ReplayFile } from '../pubsub/index.ts'
import type { SimHost } from './sim-network.ts'

type Replays = Pick<ReplayFile, 'load' | 'save'>

interface Kept {
  readonly clean: boolean
  readonly own: bigint
  readonly newest: ReturnType<Parameters<Replays['load']>[0]['floors']>
}

const KEPT = new WeakMap<SimHost, Kept>()

/** In place of a node's `replay.json`. */
export function simReplays(host: SimHost, clock: Pick<Clock, 'now'>): Replays {
  const save: Replays['save'] = async (guard, sequence, clean) => {
    if (host.isUp) KEPT.set(host, { clean, own: sequence.last, newest: guard.floors() })
  }
  return {
    save,
    async load(guard, sequence) {
      const found = KEPT.get(host)
      if (found !== undefined) {
        sequence.continueFrom(found.own)
        guard.restore(found.newest, found.clean ? 0 : clock.now())
      }
      await save(guard, sequence, false)
    },
  }
}
