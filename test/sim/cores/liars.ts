/**
 * What liars answer. They know every honest node and work together; what they cannot do is speak
 * for an honest node, or keep others from speaking.
 *
 *   inventing   names k peers that nobody else knows, closer to the target than any node; asked,
 *               they answer with k more
 *   luring      the same, each closer than all before: a lookup that believes it never converges
 *   burning     names the honest peers closest to the target under addresses that nobody answers at
 */

import type { DhtKey } from '../../../src/dht/key.ts'
import type { Chance } from './chance.ts'
import type { Answerer, Named } from './network.ts'
import { inventedContact, type World } from './world.ts'

export const LIES = ['inventing', 'luring', 'burning'] as const
export type Lie = (typeof LIES)[number]

/** Bits that an invented peer shares with the target: beyond any node of a network we simulate. */
const SHARED_BYTES = 5

export function liars(lie: Lie, world: World, draw: Chance): Answerer {
  const { k } = world.config
  if (lie === 'burning') {
    return (asked, target) => {
      if (world.nodeOf(asked.peer) === undefined) return undefined
      const near = world.nearest(target, k, ({ honest, alive }) => honest && alive)
      return near.map(({ contact }): Named => ({ ...contact, dead: true }))
    }
  }
  let invented = 0
  return (_asked, target) =>
    Array.from({ length: k }, () => {
      invented += 1
      const key = lie === 'luring' ? lureTo(target, invented) : inventNear(target, draw)
      return inventedContact(`invented ${invented}`, key)
    })
}

/** A place by chance among those that share the first bytes with `target`. */
function inventNear(target: DhtKey, draw: Chance): Uint8Array {
  const key = draw.bytes(target.length)
  key.set(target.subarray(0, SHARED_BYTES))
  return key
}

/** A place at a distance that falls as `count` grows. */
function lureTo(target: DhtKey, count: number): Uint8Array {
  const key = Uint8Array.from(target)
  const away = Buffer.alloc(6)
  away.writeUIntBE(2 ** 48 - 1 - count, 0, 6)
  for (const [i, byte] of away.entries())
    key[SHARED_BYTES + i] = (key[SHARED_BYTES + i] ?? 0) ^ byte
  return key
}
